"""The workflow as jobs of a real SLURM, by profiles/slurm; where none answers, all but the plan is skipped."""

import csv
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MODEL, LOG = "results/models/resnet20/seed0/model.keras", "logs/train/resnet20/seed0.log"


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def jobs(tree) -> list[dict[str, str]]:
    """What SLURM knows of the jobs submitted from this tree, ended ones too, in the order of their start."""
    listed = [line.split(maxsplit=1) for line in slurm("squeue", "--states=all", "-h", "-o", "%i %Z").splitlines()]
    shown = [slurm("scontrol", "show", "job", "-o", i) for i, folder in listed if Path(folder) == tree.folder.resolve()]
    return sorted((dict(re.findall(r"([\w/]+)=(\S*)", line)) for line in shown), key=lambda job: job["StartTime"])


def rule(job: dict[str, str]) -> str:
    """The rule or group that a job ran: the plug-in writes it in the comment."""
    return re.match(r"rule_([a-z]+)", job["Comment"])[1]


def train_longer(tree) -> None:
    """Seconds between the first epoch and the last: time to stop it in the middle."""
    config = yaml.safe_load((tree.folder / "test.yaml").read_text())
    config["training"] |= {"epochs": 8, "limit": 512}
    tree.configure(**config | {"variants": ["resnet20"], "precisions": ["fp32"]})
    (tree.folder / LOG).unlink()


def test_partition_and_account_are_those_that_sbatch_reads(tree, monkeypatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "long")
    monkeypatch.setenv("SBATCH_ACCOUNT", "group-7")
    tree.machine = ("--profile", "profiles/slurm")
    # A resource of the user's own replaces none of latency's.
    status, output = tree.snakemake("--dry-run", "--set-resources", "latency:constraint='epyc'")
    assert status == 0, output
    asked = re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)", output, re.MULTILINE)
    assert {"train", "latency"} <= {name for name, _ in asked}
    assert all("slurm_partition=long, slurm_account=group-7" in resources for _, resources in asked)
    assert {name for name, resources in asked if "slurm_extra=--exclusive" in resources} == {"latency"}
    assert "constraint=epyc" in dict(asked)["latency"]


def test_from_the_second_attempt_on_a_job_has_twice_the_memory() -> None:
    rules = (ROOT / "workflow/rules/common.smk").read_text()
    functions: dict[str, Any] = {}
    exec(re.search(r"^def memory\(.*?^    return .*?$", rules, re.MULTILINE | re.DOTALL)[0], functions)
    assert [functions["memory"](4000)(None, attempt) for attempt in (1, 2, 3)] == [4000, 8000, 8000]


def test_the_profile_speaks_of_rules_that_there_are() -> None:
    rules = re.findall(r"^rule (\w+):", "".join(path.read_text() for path in ROOT.glob("workflow/rules/*.smk")), re.M)
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    assert set(profile["groups"]) <= set(rules)


def test_every_stage_runs_and_tiny_ones_share_a_job(on_slurm) -> None:
    with (on_slurm.folder / "results/report.csv").open(newline="") as stream:
        assert {row["variant"] for row in csv.DictReader(stream)} == {"resnet20", "bottleneck20"}
    done = jobs(on_slurm)
    assert {job["JobState"] for job in done} == {"COMPLETED"}
    # Nothing that downloads: the data are made where snakemake runs.
    assert sorted(map(rule, done)) == ["check", "check", *("latency", "model", "model", "report", "train", "train")]


def test_jobs_have_what_their_rules_ask_for(on_slurm) -> None:
    for job in jobs(on_slurm):
        assert (job["CPUs/Task"], job["MinMemoryNode"], job["TimeLimit"]) == {
            "check": ("1", "3000M", "00:30:00"),
            "train": ("2", "4000M", "12:00:00"),
            # export, then quantize beside the first evaluate, then the second
            "model": ("2", "5000M", "01:30:00"),
            "latency": ("1", "2000M", "04:00:00"),
            "report": ("1", "2000M", "01:00:00"),
        }[rule(job)]


def test_trainings_take_turns_on_the_only_gpu(on_slurm) -> None:
    first, second = (job for job in jobs(on_slurm) if rule(job) == "train")
    assert first["TresPerJob"].endswith("gpu:1")
    assert second["TresPerJob"].endswith("gpu:1")
    first_end = datetime.fromisoformat(first["EndTime"])
    assert first_end <= datetime.fromisoformat(second["StartTime"])
    assert first_end > datetime.fromisoformat(second["SubmitTime"])  # it is SLURM that it waited for, not Snakemake


def test_latency_has_its_node_to_itself(on_slurm) -> None:
    (job,) = (job for job in jobs(on_slurm) if rule(job) == "latency")
    node = dict(re.findall(r"(\w+)=(\S*)", slurm("scontrol", "show", "node", "-o", job["NodeList"])))
    assert job["NumCPUs"] == node["CPUTot"]


def test_a_cancelled_training_is_tried_again_and_goes_on_from_its_checkpoint(on_slurm, tmp_path) -> None:
    tree = on_slurm.copy(tmp_path)
    train_longer(tree)
    process = tree.start(MODEL)
    tree.wait_for(LOG, "epoch 2/8")
    (job,) = jobs(tree)
    slurm("scancel", job["JobId"])
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    assert [job["JobState"] for job in jobs(tree)] == ["CANCELLED", "COMPLETED"]
    text = (tree.folder / LOG).read_text()
    assert "resumed after epoch" in text
    assert "epoch 1/8" not in text


def test_after_a_kill_of_snakemake_the_documented_steps_recover_the_run(on_slurm, tmp_path) -> None:
    tree = on_slurm.copy(tmp_path)
    train_longer(tree)
    process = tree.start(MODEL)
    tree.wait_for(LOG, "epoch 2/8")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert [job["JobState"] for job in jobs(tree)] == ["RUNNING"]  # it survives Snakemake

    section = (ROOT / "docs/hpc.md").read_text().split("## After Snakemake was killed")[1]
    steps = re.search(r"```bash\n(.*?)```", section, re.DOTALL)[1].replace("my.yaml", "test.yaml")
    here = tree.environment() | {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    result = subprocess.run(["bash", "-e", "-c", steps], cwd=tree.folder, env=here, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    text = (tree.folder / LOG).read_text()
    assert "resumed after epoch" in text
    assert "epoch 8/8" in text
    assert {job["JobState"] for job in jobs(tree)} == {"CANCELLED", "COMPLETED"}
