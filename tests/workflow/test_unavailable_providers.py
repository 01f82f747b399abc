"""Execution providers in the configuration: left out on request, refused otherwise, and their options handed on."""

import re

import pytest
from resbench.runtime.sessions import missing

pytestmark = pytest.mark.skipif(missing("cuda") is None, reason="needs a machine without GPU")


def plan(tree, **benchmark: object) -> tuple[int, str]:
    tree.configure(data={"sources": ["digits"], "sha256": None}, benchmark=benchmark)
    return tree.snakemake("--dry-run", "--printshellcmds")


def test_an_unavailable_provider_is_left_out_with_a_note_on_request(tree) -> None:
    status, output = plan(tree, providers=["cpu", "cuda"], skip_unavailable=True)
    assert status == 0, output
    assert "results/latency/cpu/samples.csv" in output
    assert "latency/cuda" not in output
    assert "--note 'cuda was left out: no NVIDIA GPU here" in output


def test_no_available_provider_is_one_line(tree) -> None:
    status, output = plan(tree, providers=["cuda"], skip_unavailable=True)
    assert status != 0
    assert "config: benchmark.providers: cuda was left out: no NVIDIA GPU here" in output
    assert "Traceback" not in output


def test_options_of_a_provider_reach_its_commands_and_a_gpu_is_asked_for_where_it_needs_one(tree) -> None:
    providers = ["cpu", {"name": "cuda", "options": {"use_tf32": False}}]
    status, output = plan(tree, providers=providers, scenarios="smoke")
    assert status == 0, output
    commands = re.findall(r"resbench (evaluate|latency) ((?:.*\\\n)*.*)", output)
    asked = {(rule, re.search(r"--provider (\w+)", rest)[1], "cuda.use_tf32=0" in rest) for rule, rest in commands}
    assert asked == {(rule, name, name == "cuda") for rule in ("evaluate", "latency") for name in ("cpu", "cuda")}
    (scenarios,) = re.findall(r"resbench scenarios (?:.*\\\n)*.*", output)
    assert "--provider cpu --provider cuda --provider-option cuda.use_tf32=0" in scenarios
    jobs = re.findall(r"^rule (\w+):\n((?:    .*\n)+)", output, re.MULTILINE)
    cards = {
        (name, "cpu" if "provider=cpu" in job else "cuda", int(re.search(r"\bgpu=(\d)", job)[1]))
        for name, job in jobs
        if name in ("evaluate", "latency", "scenarios")
    }
    expected = {(name, where, where == "cuda") for name in ("evaluate", "latency") for where in ("cpu", "cuda")}
    assert cards == {*expected, ("scenarios", "cuda", 1)}


def test_a_provider_that_is_missing_here_stops_the_run_before_the_first_training(tree) -> None:
    """Not a dry run, which may plan for another machine, as the plans above do."""
    for name in ("data/train.npz", "data/test.npz", "data/summary.json", "checks/pool.json"):
        path = tree.folder / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    tree.configure(variants=["pool"], benchmark={"providers": ["cpu", "cuda"]})
    message = "config: benchmark.providers: cuda: no NVIDIA GPU here"
    status, output = tree.snakemake("results/report.csv", "--rerun-triggers", "mtime")
    assert (status != 0, message in output, "Traceback" in output) == (True, True, False), output
    assert not (tree.folder / "logs/train").exists()
    # Nothing is measured here: models may be trained on one machine and measured on another.
    _, output = tree.snakemake("results/models/pool/seed0/model.keras", "--rerun-triggers", "mtime")
    assert message not in output
    assert (tree.folder / "logs/train").exists()
