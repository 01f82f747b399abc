"""What goes wrong is told in one line, and leaves nothing half-done."""

import os
import re
import signal

import pytest
import yaml


def change(tree, section: str, **values: object) -> None:
    config = yaml.safe_load((tree.folder / "test.yaml").read_text())
    config[section] |= values
    tree.configure(**config)


def test_a_wrong_configuration_is_refused_in_one_line_each(tree) -> None:
    tree.configure(training={"epoch": 3}, variants=["pol"])
    status, output = tree.snakemake()
    assert status != 0
    first, second = output.splitlines()[-2:]
    assert first.startswith("config: training.epoch: unknown key; did you mean epochs?")
    assert second.startswith("config: variants: 'pol' is unknown; did you mean pool? (known: basic, bottleneck,")
    assert "Traceback" not in output
    assert not (tree.folder / "results").exists()


def test_a_key_that_stands_twice_is_refused(tree) -> None:
    (tree.folder / "test.yaml").write_text("seeds: [0]\ntraining: {limit: 8}\nseeds: [1]\n")
    status, output = tree.snakemake()
    assert status != 0
    assert output.splitlines()[-1] == "test.yaml: seeds is given twice, in line 1 and in line 3; keep one"
    assert not (tree.folder / "results").exists()


@pytest.mark.parametrize("name", ["config", "demo", "small", "deep"])
def test_the_files_of_the_project_plan_a_complete_run(tree, name: str) -> None:
    status, output = tree.snakemake("--dry-run", "--configfile", f"config/{name}.yaml")
    assert status == 0, output
    config = yaml.safe_load((tree.folder / f"config/{name}.yaml").read_text())
    assert f"{config.get('pathvars', {}).get('results', 'results')}/report.csv" in output
    configured = yaml.safe_load((tree.folder / "config/config.yaml").read_text()) | config
    trainings = len(configured["variants"]) * len(configured.get("seeds", [0, 1, 2]))
    assert len(re.findall(r"^rule train:", output, re.MULTILINE)) == trainings


@pytest.mark.parametrize("damage", ["truncated", "no archive"])
def test_a_bad_archive_is_one_line_and_no_output(tree, finished, damage: str) -> None:
    good = (finished.folder / "results/data/archive").read_bytes()
    bad = tree.folder / "bad.tar.gz"
    bad.write_bytes(good[: len(good) // 2] if damage == "truncated" else b"<html>not found</html>" * 100)
    change(tree, "data", dataset="custom", sources=["bad.tar.gz"])
    status, output = tree.snakemake("results/data/train.npz")
    assert status != 0
    assert len({line.strip() for line in output.splitlines() if "resbench: error:" in line}) == 1, output
    assert "bad.tar.gz (read as results/data/archive): " in output
    assert "Traceback" not in output
    left = {path.name for path in (tree.folder / "results/data").iterdir()}
    assert left.isdisjoint({"train.npz", "test.npz", "summary.json", "samples.png"})


def test_a_source_that_is_not_there_is_one_line(tree) -> None:
    change(tree, "data", sources=["nowhere.tar.gz"])
    status, output = tree.snakemake("results/data/train.npz")
    assert status != 0
    assert len({line.strip() for line in output.splitlines() if "resbench: error:" in line}) == 1, output
    assert "nowhere.tar.gz" in output
    assert not (tree.folder / "results/data/archive").exists()


def test_a_job_stopped_midway_leaves_no_half_output_and_goes_on_from_there(spoiled) -> None:
    change(spoiled, "training", epochs=12, limit=4, batch_size=4)  # a step an epoch
    model = "results/models/pool/seed0/model.keras"
    log = spoiled.folder / "logs/train/pool/seed0.log"
    for how, after in ((signal.SIGINT, "epoch 2/12"), (signal.SIGKILL, "resumed after epoch")):
        log.unlink()
        process = spoiled.start(model)
        spoiled.wait_for("logs/train/pool/seed0.log", after)
        os.killpg(process.pid, how)
        process.communicate(timeout=60)
        assert process.returncode != 0
        assert list((spoiled.folder / model).parent.glob("*")) == []  # Snakemake may remove the empty folder too

    spoiled.snakemake("--unlock")
    status, output = spoiled.snakemake(model)
    assert status == 0, output
    assert {path.name for path in (spoiled.folder / model).parent.iterdir()} == {"model.keras", "history.csv"}
    assert "resumed after epoch" in log.read_text()
    assert "epoch 1/12" not in log.read_text()
    assert not (spoiled.folder / "results/checkpoints/pool/seed0").exists()
