"""Comparisons of two runs: the same, better, worse or undecided."""

import json
import re
import shutil

import numpy as np
import pytest
from resbench.cli import app
from resbench.common.errors import ResbenchError
from resbench.compare.comparison import Reason, compare_runs
from resbench.compare.run import read_run
from resbench.compare.view import headline, render_html, render_json, render_markdown, render_terminal
from resbench.statistics.occasions import BETWEEN_OCCASIONS, Spread
from resbench.statistics.verdicts import Verdict
from run_folders import HOST, run_folder, write_graph
from typer.testing import CliRunner

RIGHT = [60, 61, 62]
QUIET = [[2.0, 2.01], [2.02, 2.03], [2.0, 2.02], [2.01, 2.02], [2.0, 2.0]]


def slower(factor):
    return [[factor * ms for ms in one] for one in QUIET]


@pytest.fixture
def old(tmp_path):
    return run_folder(tmp_path / "old", right=RIGHT, latencies=QUIET)


def compared(old, new, **options):
    return compare_runs(read_run(old), read_run(new), **{"spread": Spread(0.01, 10)} | options)


def by_metric(comparison):
    return {row.metric: row for row in comparison.rows}


def test_a_rerun_with_the_same_bits_is_reproduced(old, tmp_path):
    found = compared(old, run_folder(tmp_path / "new", right=RIGHT, latencies=QUIET), exact=True)
    rows = by_metric(found)
    assert (rows["accuracy"].verdict, rows["accuracy"].reason) == (Verdict.EQUIVALENT, Reason.SAME_BITS)
    assert rows["accuracy"].p_value is None
    assert rows["latency"].verdict is Verdict.EQUIVALENT
    assert [bits.differs_at for bits in found.bits] == [None] * 3
    assert [bits.compared for bits in found.bits] == [["fp32 graph", "predictions on cpu"]] * 3
    assert found.differing == []
    assert found.shared > 10
    assert found.failures == []


def test_the_stage_at_which_models_part_is_named_and_metadata_do_not_count(old, tmp_path):
    found = compared(old, run_folder(tmp_path / "new", right=[60, 61, 63]), exact=True)
    assert [bits.differs_at for bits in found.bits] == [None, None, "fp32 graph"]
    assert "not the same bits: pool seed 2 fp32" in found.failures
    assert by_metric(found)["accuracy"].reason is None  # the predictions of one seed differ


def test_each_precision_has_a_graph_of_its_own(old, tmp_path):
    new = run_folder(tmp_path / "new", right=RIGHT)
    for number, run in enumerate((old, new)):
        path = run / "predictions/pool/seed0/fp32-cpu.npz"
        np.savez(path.with_name("int8-cpu.npz"), **dict(np.load(path)) | {"precision": "int8"})
        write_graph(run / "onnx/pool/seed0/int8.onnx", value=float(number), note="")
    (bits,) = [bits for bits in compared(old, new).bits if bits.differs_at]
    assert (bits.model.precision, bits.differs_at) == ("int8", "int8 graph")


def test_a_real_loss_of_accuracy_and_of_speed_is_worse(old, tmp_path):
    found = compared(old, run_folder(tmp_path / "new", right=[30, 31, 32], latencies=slower(2)))
    rows = by_metric(found)
    assert rows["accuracy"].verdict is Verdict.WORSE
    assert rows["accuracy"].paired
    assert rows["accuracy"].estimate == pytest.approx(-0.3)
    assert rows["latency"].verdict is Verdict.WORSE
    assert rows["latency"].estimate == pytest.approx(2)
    assert found.failures == ["worse: accuracy of pool fp32 on cpu, latency of pool fp32 on cpu"]
    back = by_metric(compared(tmp_path / "new", old))
    assert {row.verdict for row in back.values()} == {Verdict.BETTER}


def test_a_latency_within_what_occasions_do_is_undecided(old, tmp_path):
    new = run_folder(tmp_path / "new", right=RIGHT, latencies=slower(1.2))
    row = by_metric(compared(old, new, spread=Spread(0.1, 10)))["latency"]
    assert row.verdict is Verdict.UNDECIDED
    assert row.low < 1 < row.high
    assert by_metric(compared(old, new, spread=Spread(0.01, 10)))["latency"].verdict is Verdict.WORSE


def test_all_p_values_are_one_family(old, tmp_path):
    found = compared(old, run_folder(tmp_path / "new", right=[50, 51, 52], latencies=slower(1.1)))
    rows = found.rows
    assert len(rows) == 2
    smallest = min(rows, key=lambda row: row.p_value)
    assert smallest.p_adjusted == pytest.approx(min(1, 2 * smallest.p_value))


@pytest.mark.parametrize("seeds", [(7, 8, 9), (2, 8, 9), (8, 9)])
def test_other_seeds_are_compared_unpaired(old, tmp_path, seeds):
    """Also where one of several is the same: all of them say more."""
    new = run_folder(tmp_path / "new", right=RIGHT[: len(seeds)], seeds=seeds, latencies=QUIET)
    found = compared(old, new)
    row = by_metric(found)["accuracy"]
    assert not row.paired
    assert (row.seeds, row.seeds_new) == (3, len(seeds))
    assert ("3 and 2, unpaired" in render_terminal(found)) == (len(seeds) == 2)
    assert row.verdict in (Verdict.EQUIVALENT, Verdict.UNDECIDED)
    assert headline(found) == "No change for the worse is shown"


def test_the_interval_of_a_ratio_near_1_shows_on_which_side_it_lies(old, tmp_path):
    """Three digits would write an interval from 1.004 on as one from 1.00 on."""
    found = compared(old, run_folder(tmp_path / "new", right=RIGHT, latencies=slower(1.06)), spread=Spread(0.001, 10))
    text = render_terminal(found)
    row = by_metric(found)["latency"]
    assert f"{row.estimate:.3f}  {row.low:.3f} to {row.high:.3f}" in text


def test_one_seed_is_about_two_models(old, tmp_path):
    row = by_metric(compared(old, run_folder(tmp_path / "new", right=[20], seeds=(0,))))["accuracy"]
    assert (row.reason, row.seeds) == (Reason.ONE_SEED, 1)
    assert row.verdict is Verdict.WORSE


def test_one_new_seed_is_not_compared_with_one_of_several_old_ones(tmp_path):
    """Nothing singles out one of them; the figures shown are the means."""
    old = run_folder(tmp_path / "old", right=[82, 60, 60])
    found = compared(old, run_folder(tmp_path / "new", right=[70], seeds=(7,)))
    (row,) = found.rows
    assert (row.verdict, row.reason, row.low, row.p_value) == (Verdict.UNDECIDED, Reason.OTHER_SEEDS, None, None)
    assert row.estimate == pytest.approx(row.new - row.old)
    assert "undecided (one seed and several others: train the same seeds)" in render_terminal(found)


def test_a_host_of_another_provider_and_two_folders_of_one_are_refused(old):
    path = old / "latency/cpu/host.json"
    path.write_text(json.dumps(HOST | {"provider": "openvino"}))
    with pytest.raises(ResbenchError, match=r"host\.json: of provider openvino, but .*samples\.csv is of cpu"):
        read_run(old)
    path.write_text(json.dumps(HOST | {"provider": "cpu"}))
    (old / "latency/cpu").rename(old / "latency/here")
    assert list(read_run(old).hosts) == ["cpu"]
    shutil.copytree(old / "latency/here", old / "latency/there")
    with pytest.raises(ResbenchError, match=r"there/samples\.csv: of provider cpu, as another folder"):
        read_run(old)


@pytest.mark.parametrize(
    ("change", "options", "reason", "names"),
    [
        ({"processor": "Other CPU"}, {}, Reason.HARDWARE, ("processor",)),
        ({"cgroup_cpu_quota": 0.5}, {}, Reason.HARDWARE, ("cgroup_cpu_quota",)),
        ({"smt": True}, {}, Reason.HARDWARE, ("smt",)),
        ({"cores_available": 4}, {"across_versions": True}, Reason.HARDWARE, ("cores_available",)),
        ({"runtime_version": "1.27.0"}, {}, Reason.VERSIONS, ("runtime_version",)),
        ({"runtime_version": "1.27.0"}, {"across_versions": True}, None, ()),
        ({"kernel": "6.1"}, {}, None, ()),
    ],
)
def test_latencies_of_unlike_environments_are_shown_and_not_judged(old, tmp_path, change, options, reason, names):
    new = run_folder(tmp_path / "new", right=RIGHT, latencies=slower(3), host=HOST | change)
    found = compared(old, new, **options)
    row = by_metric(found)["latency"]
    assert (row.reason, row.unlike) == (reason, names)
    assert (row.verdict is Verdict.NOT_COMPARABLE) == (reason is not None)
    assert row.estimate == pytest.approx(3)
    assert {fact.name.removeprefix("cpu: ") for fact in found.differing} == change.keys()


@pytest.mark.parametrize(("provider", "unlike"), [("cpu", ()), ("openvino", ()), ("cuda", ("gpus",))])
def test_another_driver_matters_only_to_providers_that_run_on_the_gpu(tmp_path, provider, unlike):
    hosts = [HOST | {"gpus": [{"name": "T4", "driver": driver}], "cuda": driver} for driver in ("550", "570")]
    runs = [
        run_folder(tmp_path / str(number), right=RIGHT, latencies=QUIET, host=host, provider=provider)
        for number, host in enumerate(hosts)
    ]
    found = compared(*runs)
    assert by_metric(found)["latency"].unlike == unlike
    assert {fact.name for fact in found.differing} == {f"{provider}: gpus", f"{provider}: cuda"}


def test_what_differs_is_listed_fact_by_fact(old, tmp_path):
    found = compared(old, run_folder(tmp_path / "new", right=RIGHT, epochs=20, protocol="he2015"))
    assert ("configuration", "training.epochs", "10", "20") in found.differing
    assert ("configuration", "training.protocol", "notebook", "he2015") in found.differing


def test_what_only_one_side_has_is_listed_and_a_model_that_is_missing_is_no_reproduction(old, tmp_path):
    new = run_folder(tmp_path / "new", right=RIGHT, variant="basic", latencies=QUIET)
    found = compared(old, new)
    assert found.only_old[0] == "predictions of pool fp32 on cpu"
    assert found.only_new[0] == "predictions of basic fp32 on cpu"
    assert found.rows == []
    (missing,) = found.failures
    timing = "timing of pool fp32 on cpu, batch 1, 1 thread"
    assert missing == f"missing from the new run: predictions of pool fp32 on cpu; {timing}"


def test_other_test_images_are_refused(old, tmp_path):
    new = run_folder(tmp_path / "new", right=RIGHT)
    *some, last = new.glob("predictions/*/*/*.npz")
    for path in (*some, last):
        arrays = dict(np.load(path))
        np.savez(path, **arrays | {"labels": 1 - arrays["labels"]})
        words = r"new: its test images are not those of .*old" if path is last else "predictions of other test images"
        with pytest.raises(ResbenchError, match=words):
            compared(old, new)


def test_the_same_labels_of_other_pixels_are_refused(old, tmp_path):
    new = run_folder(tmp_path / "new", right=RIGHT)
    for number, run in enumerate((old, new)):
        np.savez(run / "data/test.npz", images=np.full(3, number, np.uint8))
    with pytest.raises(ResbenchError, match=r"have the labels of those of .*old, and other pixels"):
        compared(old, new)


def test_a_folder_without_predictions_is_refused(old, tmp_path):
    with pytest.raises(ResbenchError, match="not a results folder"):
        read_run(tmp_path)


@pytest.mark.parametrize("right", [RIGHT, [60, 61, 40]])
def test_every_form_says_the_same(old, tmp_path, right):
    found = compared(old, run_folder(tmp_path / "<new>", right=right, latencies=slower(1.5)))
    content = json.loads(render_json(found))
    assert content["rows"][-1]["verdict"] == "worse"
    assert content["failures"] == found.failures != []
    for text in (render_terminal(found), render_markdown(found), render_html(found)):
        assert "Not reproduced" in text
        assert "worse" in text
        assert "1.5" in text
        assert "predictions on cpu" in text
    assert "<new>" not in render_html(found)
    assert not re.findall(r"<script|https?://|src=", render_html(found))  # loads and runs nothing
    assert "<new>" not in render_markdown(found)


def test_texts_of_a_run_cannot_control_the_terminal(old, tmp_path):
    escape = "\x1b]0;title\x07\x9b2J"
    host = HOST | {"kernel": escape, "processor": escape}
    new = run_folder(tmp_path / "new", right=RIGHT, latencies=QUIET, host=host)
    for option in ([], ["--markdown"], ["--json"]):
        done = invoke(old, new, *option)
        assert "title" in done.output
        assert all(line.isprintable() for line in done.output.split("\n"))


def invoke(*words):
    return CliRunner().invoke(app, ["compare", *map(str, words)])


def test_exit_statuses_and_formats(old, tmp_path):
    same = run_folder(tmp_path / "same", right=RIGHT)
    worse = run_folder(tmp_path / "worse", right=[30, 31, 32], latencies=QUIET)
    other = run_folder(tmp_path / "other", right=[60, 61, 63], latencies=QUIET)
    assert invoke(worse, worse).exit_code == 0
    assert invoke(old, worse).exit_code == 1
    assert invoke(old, same).exit_code == 1  # its timing is missing
    assert invoke(same, old).exit_code == 0
    assert invoke(old, other).exit_code == 0
    assert invoke(old, other, "--exact").exit_code == 1
    assert invoke(old, tmp_path / "nowhere").exit_code == 2
    assert invoke(old).exit_code == 2
    assert invoke(old, other, "--json", "--html").exit_code == 2
    for ignored in (["--preset", "smoke"], ["--remeasure", "--spread", "0.1"], ["--remeasure", "--across-versions"]):
        assert invoke(old, other, *ignored).exit_code == 2
        assert "--remeasure" in invoke(old, other, *ignored).stderr
    assert invoke(old, other, "--spread", "4.2").exit_code == 2  # in percent
    assert f"Default: {BETWEEN_OCCASIONS.deviation}" in " ".join(invoke("--help").stdout.replace("│", " ").split())
    assert json.loads(invoke(old, other, "--json").stdout)["bits"][2]["differs_at"] == "fp32 graph"
    assert invoke(old, other, "--html").stdout.startswith("<!doctype html>")
    assert invoke(old, other, "--markdown").stdout.startswith("# ")


@pytest.mark.parametrize(
    "name", ["predictions/pool/seed1/fp32-cpu.npz", "onnx/pool/seed1/fp32.onnx", "latency/cpu/samples.csv"]
)
def test_a_damaged_file_is_one_line_that_names_it(old, name):
    (old / name).write_bytes(bytes(range(256)) * 40)
    result = invoke(old, old)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("resbench: error: ")
    assert str(old / name) in line
