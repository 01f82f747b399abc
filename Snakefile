"""The entry point for a bare `snakemake` in a checkout; workflow/Snakefile is the workflow."""


include: "workflow/Snakefile"


rule default:
    """What a bare `snakemake` makes: an included file cannot set the default target itself."""
    default_target: True
    input:
        rules.all.input,
