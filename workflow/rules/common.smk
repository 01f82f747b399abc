"""Shared by the other files: the checked configuration and the environment of the jobs."""

import copy
import functools
import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import ResourceValidationError
from snakemake.pathvars import Pathvars

# In a checkout, the jobs run its own package, whatever is installed; elsewhere, the installed one.
WORKFLOW = Path(workflow.current_basedir.join("..").get_path_or_uri(secret_free=True)).resolve()
SEARCHED = {"PATH": [Path(sys.executable).parent]}  # also when snakemake was called by its path
if (WORKFLOW / "resbench").is_dir():
    sys.path.insert(0, str(WORKFLOW))
    SEARCHED = {"PATH": [WORKFLOW / "bin", *SEARCHED["PATH"]], "PYTHONPATH": [WORKFLOW]}
os.environ.setdefault("PATH", os.defpath)
for name, folders in SEARCHED.items():
    os.environ[name] = os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get(name)])])
os.environ.setdefault("RESBENCH_VARIANTS", str(Path("variants").resolve()))  # networks of the user's own

try:
    from resbench import config as configuration
    from resbench.benchmark.measured_elsewhere import measured_timings
    from resbench.benchmark.presets import LATENCY_PRESETS
    from resbench.common.errors import ResbenchError
    from resbench.common.files import expand_home
    from resbench.common.system import cards
    from resbench.data.datasets import archive_of
    from resbench.data.fingerprint import fingerprint, fingerprint_test_set
    from resbench.data.origin import is_web_address
    from resbench.data.sources import require_elsewhere, without_password
    from resbench.runtime.providers import BASE_PROVIDER, PROVIDERS
    from resbench.stages import code_digest
    from resbench.training.protocols import PROTOCOLS
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed here; the workflow's README says how to set up its environment")

config = copy.deepcopy(config)  # several modules may get the same one

read = dict.fromkeys(os.path.relpath(path) for path in workflow.configfiles)  # one given twice is in it twice
duplicates = [line for path in read for line in configuration.duplicate_keys(Path(path))]
if problems := duplicates or configuration.check(config):
    sys.exit("\n".join(problems))

# `~` is the home folder in paths as well.
try:
    at_home = {name: str(expand_home(path)) for name, path in config["pathvars"].items() if path.startswith("~")}
except ResbenchError as error:
    sys.exit(f"config: pathvars: {error}")
workflow.pathvars.update(Pathvars.from_module(at_home))
config["pathvars"] |= at_home


ARCHIVE, RECORD = [Path(config["pathvars"]["results"], "data", name) for name in ("archive", "source.json")]
try:
    SOURCES, SHA256 = archive_of(config["data"]["dataset"], config["data"]["sources"], config["data"]["sha256"])
    require_elsewhere(SOURCES, ARCHIVE)
except ResbenchError as error:
    sys.exit(f"config: data: {error}")
if "digits" in SOURCES and config["data"]["dataset"] != "digits" and Path("digits").exists():
    sys.exit("config: data.sources: digits are scikit-learn's; write ./digits for what is called so here")
if workflow.is_main_process and ARCHIVE.exists() and not RECORD.exists():
    # A user's file, which Snakemake would delete. (A job parses this while `download` may just be writing both.)
    sys.exit(
        f"{ARCHIVE}: has no {RECORD.name} next to it, as a run writes it, and would be deleted; "
        "move it to another folder, and name its path first in data.sources"
    )


# Test sets in addition to the main one: the user's own, by name; then the corrupted copies.
EXTRA_TEST_SETS = {test_set["name"]: test_set for test_set in config["data"]["extra_test_sets"]}
CORRUPTED_TEST_SETS = []
if config["data"]["corruptions"]:
    from resbench.data.corruptions import corrupted_names

    CORRUPTED_TEST_SETS = corrupted_names(config["data"]["corruptions"])
TEST_SETS = [*EXTRA_TEST_SETS, *CORRUPTED_TEST_SETS]


# From here on `benchmark.providers` holds the names of those that are measured.
PROVIDER_OPTIONS, SKIPPED = configuration.choose_providers(config["benchmark"])
if not PROVIDER_OPTIONS:
    sys.exit("\n".join(f"config: benchmark.providers: {line}" for line in SKIPPED))
config["benchmark"]["providers"] = list(PROVIDER_OPTIONS)


# Samples and host of each environment that was measured on another machine; absolute, so no module's prefix applies.
try:
    ELSEWHERE = [
        pair
        for folder in config["benchmark"]["measured_elsewhere"]
        for pair in measured_timings(expand_home(folder).absolute())
    ]
except ResbenchError as error:
    sys.exit(f"config: benchmark.measured_elsewhere: {error}")
MEASURED = config["benchmark"]["providers"]
SAMPLES = [f"<results>/latency/{name}/samples.csv" for name in MEASURED] + [samples for samples, _ in ELSEWHERE]
HOSTS = [f"<results>/latency/{name}/host.json" for name in MEASURED] + [host for _, host in ELSEWHERE]


wildcard_constraints:
    variant="[A-Za-z0-9_]+",
    seed="[0-9]+",
    precision="[a-z0-9]+",
    provider="|".join(PROVIDERS),
    test_set="[A-Za-z0-9_.-]+",


def local_content():
    """Return the hash of the first source that is a local file or folder; if it no longer exists, its recorded hash."""
    read = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    for source in SOURCES:
        if source != "digits" and not is_web_address(source):
            content = fingerprint(source) or (read["sha256"] if read.get("source") == source else None)
            if content:
                return content
    return ""


@functools.cache
def require_measurable():
    """Stop before the first training where what measures its models in this run is missing on this machine.

    On a cluster the nodes may have it, and with --sdm the environments of the jobs.
    """
    here = workflow.is_main_process and workflow.local_exec and not workflow.dryrun and not workflow.touch
    measures = any(job.rule.name.endswith(("evaluate", "scenarios")) for job in workflow.dag.needrun_jobs())
    if here and measures and not workflow.deployment_settings.deployment_method:
        if lines := configuration.missing_here(config["benchmark"]):
            # The only error in a resource that Snakemake shows without its place in the code.
            raise ResourceValidationError("\n".join(lines))


@functools.cache  # and only when a training is planned: each job parses the workflow again
def training_cards():
    """Return the number of GPUs of a training: 1 where the profile says that nodes have one, or this machine has one.

    It is asked for just before the first training, so here a run ends that could not measure what it trains.
    """
    require_measurable()
    of_nodes = (workflow.resource_settings.default_resources or {}).get("gpu_nodes")
    if config["training"]["device"] != "auto":
        return int(config["training"]["device"] == "gpu")
    return int(cards(["index"]) != [] if of_nodes is None else of_nodes.value > 0)


def memory(mb):
    """Return the function that gives the memory of a job that runs a network, which may be any.

    The attempt before may have been killed for it, so the second gets twice as much. No attempt gets more: it may only
    take long.
    """
    return lambda wildcards, attempt: mb * min(attempt, 2)


def precisions_on(provider):
    return [precision for precision in config["precisions"] if PROVIDERS[provider].supports(precision)]


def experiment(config):
    """Return the configuration that results depend on, as JSON: without paths, download limits and the device.

    The page and a crate publish it: passwords in addresses are left out.
    """
    chosen = {key: value for key, value in config.items() if key != "pathvars"}
    for section, keys in {"data": ("min_rate_kb", "window_s"), "training": ("device",)}.items():
        chosen[section] = {key: value for key, value in config[section].items() if key not in keys}
    if chosen["data"]["sources"]:
        chosen["data"]["sources"] = [without_password(source) for source in chosen["data"]["sources"]]
    providers = [{"name": name, "options": options} if options else name for name, options in PROVIDER_OPTIONS.items()]
    chosen["benchmark"] = config["benchmark"] | {"providers": providers}
    return json.dumps(chosen, sort_keys=True)  # sorted: another order is not a change


DEPLOYED_ON = config["benchmark"]["providers"][0]
if config["deployment"]["precision"] not in ("fastest", *precisions_on(DEPLOYED_ON)):
    sys.exit(f"config: deployment.precision: {config['deployment']['precision']} is not measured on {DEPLOYED_ON}")


def arguments(settings, *names, defaults=None):
    """Return command-line arguments for those of the settings that are not null.

    Nor are those given that only write out what null means, the attributes of `defaults`: nothing runs again for them.
    """
    given = []
    for name in names:
        value, option = settings[name], name.replace("_", "-")
        if value is None or value == getattr(defaults, name, None):
            continue
        given += [f"--{option}" if value else f"--no-{option}"] if isinstance(value, bool) else [f"--{option}", value]
    return given


def each(option, values):
    """Return command-line arguments: each value after the option."""
    return [argument for value in values for argument in (option, value)]


def repeated_arguments(option):
    """Return the function that gives all inputs of a name as command-line arguments, each after its option."""

    def of_inputs(wildcards, input):
        return each(f"--{option}", getattr(input, option))

    return of_inputs


def provider_arguments(providers):
    """Return command-line arguments for the options of providers."""
    options = [(provider, *option) for provider in providers for option in PROVIDER_OPTIONS.get(provider, {}).items()]
    return each("--provider-option", [f"{provider}.{name}={value}" for provider, name, value in options])


def timed(path, provider):
    """Return files of the models to time: a variant's seeds differ only in their weights, so the first one is enough."""
    return expand(
        path,
        variant=config["variants"],
        seed=config["seeds"][0],
        precision=precisions_on(provider),
        provider=provider,
    )


def all_predictions(ending=".npz"):
    """Return the files of evaluate: every model, in each precision on the providers that it is measured on."""
    return [
        f"<results>/predictions/{variant}/seed{seed}/{precision}-{provider}{ending}"
        for variant in config["variants"]
        for seed in config["seeds"]
        for provider in config["benchmark"]["providers"]
        for precision in precisions_on(provider)
    ]
