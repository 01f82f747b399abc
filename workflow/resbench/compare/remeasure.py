"""Time the models of two runs together, in interleaved rounds on this machine.

The state of the machine then affects both runs equally.  Providers run with resbench's default options.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx

from resbench.benchmark.latency import measure_latency
from resbench.benchmark.plan import LatencyRequest
from resbench.common.errors import ResbenchError
from resbench.compare.comparison import Remeasured
from resbench.compare.run import Run, read_minima
from resbench.export.metadata import read_graph, read_metadata, write_metadata
from resbench.report.inputs import Key
from resbench.statistics.latency import latency_ratio
from resbench.statistics.occasions import occasion_latency

SIDES = ("old", "new")


def remeasure(old: Run, new: Run, *, preset: str) -> Remeasured:
    """Time every model that both runs timed, at their settings, in rounds of one measurement.

    Args:
        old, new: The runs; their graphs and test images must be there.
        preset: Length of the measurement, a key of LATENCY_PRESETS.

    Returns:
        For each (variant, precision, provider, batch size, threads): both latencies in ms, and the ratio new / old.

    Raises:
        ResbenchError: A graph is missing, or see `measure_latency`.
    """
    keys = [key for key in old.minima if key in new.minima]
    found: Remeasured = {}
    for provider in dict.fromkeys(key[2] for key in keys):
        found |= _on_provider(old, new, [key for key in keys if key[2] == provider], preset)
    return found


def _on_provider(old: Run, new: Run, keys: list[Key], preset: str) -> Remeasured:
    provider = keys[0][2]
    # Short ones: a longer name of a variant than its own might be refused.
    labels = {
        (side, variant): f"{side}{number}"
        for number, variant in enumerate(dict.fromkeys(key[0] for key in keys))
        for side in SIDES
    }
    with tempfile.TemporaryDirectory(prefix="resbench-compare-") as name:
        folder = Path(name)
        models = [
            _labelled(run, variant, precision, labels[(side, variant)], folder)
            for variant, precision in dict.fromkeys(key[:2] for key in keys)
            for side, run in zip(SIDES, (old, new), strict=True)
        ]
        data = old.folder / "data/test.npz"
        samples, host = folder / "samples.csv", folder / "host.json"
        measure_latency(
            models,
            LatencyRequest(provider, sorted({key[3] for key in keys}), sorted({key[4] for key in keys}), preset),
            samples,
            host,
            data=data if data.exists() else None,
        )
        minima = read_minima(samples, host)
    found: Remeasured = {}
    for variant, *rest in keys:
        rounds = [minima[(labels[(side, variant)], *rest)] for side in SIDES]
        before, after = (np.array([side[number] for number in rounds[0]]) for side in rounds)
        ratio = latency_ratio(after, before)
        found[(variant, *rest)] = (occasion_latency(before), occasion_latency(after), ratio)
    return found


def _labelled(run: Run, variant: str, precision: str, label: str, folder: Path) -> Path:
    """Copy the first seed's graph, with a label in place of its variant's name."""
    graphs = [run.graph(model) for model in run.digests if (model.variant, model.precision) == (variant, precision)]
    present = [path for path in graphs if path.exists()]
    if not present:
        raise ResbenchError(f"{graphs[0]}: no such file; both runs' models are needed to time them again")
    model = read_graph(present[0])
    write_metadata(model, read_metadata(model) | {"variant": label})
    path = folder / f"{label}-{variant}-{precision}.onnx"
    onnx.save_model(model, path)
    return path
