"""Both runs' models timed together: the same models are not told apart, whatever their own timings say."""

import numpy as np
import pytest
from report_files import PUBLISHED
from resbench.common.errors import ResbenchError
from resbench.compare import remeasure as again
from resbench.compare.comparison import compare_runs
from resbench.compare.remeasure import remeasure
from resbench.compare.run import graph_digest, read_run
from resbench.statistics.verdicts import Verdict
from run_folders import run_folder
from tiny_models import tiny_model

SLOW = [[10.0, 10.1]] * 3
LONGEST = "v" * 64  # letters of a variant's name


@pytest.mark.parametrize("variant", ["pool", LONGEST])
def test_models_are_timed_again_in_the_same_rounds(tmp_path, monkeypatch, variant):
    monkeypatch.setitem(PUBLISHED, LONGEST, PUBLISHED["deep"])
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder, latencies in zip(folders, ([[1.0, 1.0]] * 3, SLOW), strict=True):
        run_folder(folder, right=[60], seeds=[0], latencies=latencies, variant=variant)
        tiny_model(folder / f"onnx/{variant}/seed0/fp32.onnx", variant=variant)
    runs = [read_run(folder) for folder in folders]
    found = remeasure(*runs, preset="smoke")
    ((key, (old_ms, new_ms, ratio)),) = found.items()
    assert key == (variant, "fp32", "cpu", 1, 1)
    assert 0 < old_ms < 1 > new_ms > 0
    _, latency = compare_runs(*runs, remeasured=found).rows
    assert (latency.paired, latency.estimate) == (True, ratio.estimate)
    assert np.isclose(latency.estimate, new_ms / old_ms, rtol=0.5)
    assert latency.verdict is not Verdict.NOT_COMPARABLE


def test_the_new_run_s_models_are_compared_with_the_old_run_s(tmp_path, monkeypatch):
    folders = [run_folder(tmp_path / str(hits), right=[hits], seeds=[0], latencies=SLOW) for hits in (60, 61)]
    timed = []
    monkeypatch.setattr(again, "measure_latency", lambda models, *_, **__: timed.extend(map(graph_digest, models)))
    minima = {(f"{side}0", "fp32", "cpu", 1, 1): dict.fromkeys((1, 2, 3), ms) for side, ms in (("old", 1), ("new", 2))}
    monkeypatch.setattr(again, "read_minima", lambda *_: minima)
    ((old_ms, new_ms, ratio),) = remeasure(*map(read_run, folders), preset="smoke").values()
    assert (old_ms, new_ms, ratio.estimate) == pytest.approx((1, 2, 2))
    assert timed == [graph_digest(folder / "onnx/pool/seed0/fp32.onnx") for folder in folders]


def test_a_graph_that_is_missing_is_one_line(tmp_path):
    run = run_folder(tmp_path / "old", right=[60], seeds=[0], latencies=SLOW)
    (run / "onnx/pool/seed0/fp32.onnx").unlink()
    with pytest.raises(ResbenchError, match="both runs' models are needed to time them again"):
        remeasure(read_run(run), read_run(run), preset="smoke")
