"""resbench: from an archive of images to a table of accuracy and latency.

    snakemake --cores all                                     the published protocol (config/config.yaml)
    snakemake --cores all --configfile config/demo.yaml       minutes, on handwritten digits

Every rule calls the `resbench` command, so each line in the log can be copied and run by hand.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


report: "workflow/report/workflow.rst"


pathvars:
    results=config["pathvars"]["results"],
    logs=config["pathvars"]["logs"],
    benchmarks=config["pathvars"]["benchmarks"],


rule all:
    """The table, for machines and for people, the page, and a folder to deploy for each variant."""
    default_target: True
    input:
        "<results>/report.csv",
        "<results>/report.md",
        "<results>/report.html",
        ["<results>/scenarios.csv"] if config["benchmark"]["scenarios"] else [],
        expand("<results>/model_repository/{variant}", variant=config["variants"]),


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/report.smk"
