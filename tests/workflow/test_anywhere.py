"""The workflow runs from any folder, as a module of another workflow, and with networks of the user's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from trees import ROOT, Tree, settings

STAGES = {"check", "download", "convert", "train", "export", "quantize", "evaluate", "latency"}
STAGES |= {"collate", "page", "bundle"}
if settings()["data"] == {"dataset": "digits"}:  # without an archive of photos
    STAGES.add("digits")
# What snakedeploy 0.17 writes, with the place of the Snakefile to fill in.
DEPLOYED = """
from snakemake.utils import min_version

min_version("6.10.0")

configfile: "config/config.yaml"

module resbench:
    snakefile:
        {snakefile}
    config:
        config

use rule * from resbench
"""
TWICE = """
configfile: "config/config.yaml"

module first:
    snakefile: "{snakefile}"
    prefix: "first"
    config: config

use rule * from first as first_*

module second:
    snakefile: "{snakefile}"
    prefix: "second"
    config: config | {{"seeds": [7]}}

use rule * from second as second_*

rule both:
    default_target: True
    input: rules.first_all.input, rules.second_all.input
"""


def run(folder: Path, *words: object, **environment: str) -> str:
    """What Snakemake prints in that folder, where nothing but the Python environment leads to the package."""
    here = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *map(str, words)]
    result = subprocess.run(command, cwd=folder, env=here, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def planned(output: str) -> set[str]:
    return set(re.findall(r"^(?:local)?rule (\w+):$", output, re.MULTILINE))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "andere Platte äöü"
    (folder / "config").mkdir(parents=True)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(settings()))
    return folder


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_it_plans_from_another_folder_by_that_folders_configuration(elsewhere: Path, snakefile: str) -> None:
    output = run(elsewhere, "-s", ROOT / snakefile, "--dry-run")
    assert planned(output) - {"all", "default"} == STAGES
    assert set(re.findall(r"wildcards: variant=(\w+)", output)) == {"pool", "resnet20"}


def test_without_a_configuration_there_it_plans_the_published_run(tmp_path: Path) -> None:
    output = run(tmp_path, "-s", ROOT / "Snakefile", "--dry-run")
    assert set(re.findall(r"wildcards: variant=(\w+), seed=(\d)", output)) == {
        (variant, str(seed)) for variant in ("basic", "pool", "bottleneck") for seed in (0, 1, 2)
    }


def test_with_directory_its_first_stages_run_there(elsewhere: Path) -> None:
    config = elsewhere / "config/config.yaml"
    run(ROOT, "results/data/train.npz", "--directory", elsewhere, "--configfile", config)
    assert (elsewhere / "results/data/train.npz").stat().st_size
    assert (elsewhere / "logs/convert.log").exists()


def test_another_checkout_finds_the_results_up_to_date(finished: Tree) -> None:
    """The code is the same, so nothing is due, though it lies elsewhere and has other dates."""
    words = ("-s", ROOT / "Snakefile", "--configfile", "test.yaml", "--dry-run")
    assert "Nothing to be done" in run(finished.folder, *words)


def test_as_a_module_it_runs_as_snakedeploy_deploys_it(elsewhere: Path) -> None:
    (elsewhere / "workflow").mkdir()
    (elsewhere / "workflow/Snakefile").write_text(DEPLOYED.format(snakefile=f'"{ROOT / "workflow/Snakefile"}"'))
    assert planned(run(elsewhere, "--dry-run")) == STAGES | {"all"}
    run(elsewhere, "results/data/train.npz")
    assert (elsewhere / "results/data/train.npz").stat().st_size


def test_as_a_module_from_a_repository_it_runs_with_the_installed_package(elsewhere: Path, tmp_path: Path) -> None:
    repository = Tree.fresh(tmp_path / "repository").folder
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "all"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True)
    (elsewhere / "workflow").mkdir()
    place = f'gitfile("{repository}", path="workflow/Snakefile", tag="v1")'
    (elsewhere / "workflow/Snakefile").write_text(DEPLOYED.format(snakefile=place))
    output = run(elsewhere, "--dry-run", PYTHONPATH=str(ROOT / "workflow"))
    assert planned(output) == STAGES | {"all"}


def test_two_modules_with_prefixes_and_configurations_of_their_own_share_nothing(elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(TWICE.format(snakefile=ROOT / "workflow/Snakefile"))
    output = run(elsewhere, "--dry-run", "--printshellcmds")
    assert planned(output) == {f"{name}_{stage}" for name in ("first", "second") for stage in STAGES} | {"both"}
    checkpoints = re.findall(r"resbench train (\w+) --seed (\d)(?:.*\\\n)*?.*--checkpoints (\S+)", output)
    assert set(checkpoints) == {
        (variant, seed, f"{prefix}/results/checkpoints/{variant}/seed{seed}")
        for variant in ("pool", "resnet20")
        for prefix, seed in (("first", "0"), ("second", "7"))
    }


def test_networks_of_the_users_own_stand_in_the_folder_variants(elsewhere: Path) -> None:
    (elsewhere / "variants").mkdir()
    (elsewhere / "variants/mine.py").write_text("from resbench.networks.variants.pool import build\n")
    (elsewhere / "config/config.yaml").write_text(yaml.safe_dump(settings() | {"variants": ["mine"]}))
    output = run(elsewhere, "-s", ROOT / "Snakefile", "--dry-run")
    assert set(re.findall(r"wildcards: variant=(\w+)", output)) == {"mine"}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("resnet20-se", "config: variants: variant 'resnet20-se': a name has at most 64 characters, letters, digits"),
        ("a" * 65, f"config: variants: variant '{'a' * 65}': a name has at most 64 characters, letters, digits and _"),
        ("pool", "pool.py: resbench has a variant of that name; rename this file"),
    ],
)
def test_a_name_that_no_variant_may_have_is_refused_in_one_line(elsewhere: Path, name: str, line: str) -> None:
    (elsewhere / "variants").mkdir()
    (elsewhere / f"variants/{name}.py").write_text("def build(classes): ...\n")
    (elsewhere / "config/config.yaml").write_text(yaml.safe_dump(settings() | {"variants": [name]}))
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--cores", "1", "--dry-run"]
    result = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert result.returncode != 0
    assert line in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("deployed", [False, True])
def test_a_tilde_is_the_home_folder(elsewhere: Path, tmp_path: Path, deployed: bool) -> None:
    paths = {"results": "~/scratch/results"}
    (elsewhere / "config/config.yaml").write_text(yaml.safe_dump(settings() | {"pathvars": paths}))
    snakefile = elsewhere / "Snakefile" if deployed else ROOT / "Snakefile"
    if deployed:
        snakefile.write_text(DEPLOYED.format(snakefile=f'"{ROOT / "workflow/Snakefile"}"'))
    output = run(elsewhere, "-s", snakefile, "--dry-run", HOME=str(tmp_path))
    assert f"{tmp_path}/scratch/results/report.csv" in output
    assert "~" not in output
