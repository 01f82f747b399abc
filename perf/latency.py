"""Does a second measurement rank the models as the first did?  Ours, a plain loop and LoadGen, side by side.

    python perf/latency.py MODEL.onnx MODEL.onnx... --data TEST.npz [--runs 5] [--loaded 2] [--preset quick]

Each run measures all models three ways: with `resbench latency`; with a plain loop, as a notebook
has it (one process, model after model, 10 calls to warm up, the median of 100); and with MLCommons
LoadGen's SingleStream, in short runs before ours and after.  In the last but one run, and in those
two, four... before it, up to --loaded, another process keeps one core busy.  Prints for each pair
of models the ratio of their times in each run and how far it moves (median absolute deviation from
the median), whether the ranking ever changed, and resbench's p50 and p90 compared with LoadGen's.  Exit status 1
where a target is missed.
"""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
import numpy as np
import pandas as pd
from harness import Verdict
from resbench.benchmark.loadgen_worker import Job, Outcome
from resbench.benchmark.process import run_fresh
from resbench.data.store import load_split
from resbench.statistics.latency import latency_ratio, round_minima

MOVES = 0.05  # a ratio between two models, from run to run, at most
AGREES = 0.10  # our p50 and p90 with LoadGen's, at most
LOADGEN_RUNS = 3  # before ours, and as many after
LOADGEN_S = 2.0

PLAIN_LOOP = """
import json, sys, time
import numpy as np, onnxruntime as ort
data, *models = sys.argv[1:]
image = np.load(data)["images"][:1]
medians = []
for model in models:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    times = []
    for _ in range(110):
        start = time.perf_counter()
        session.run(None, {"image": image})
        times.append((time.perf_counter() - start) * 1e3)
    medians.append(float(np.median(times[10:])))
print(json.dumps(medians))
"""


def latency_command(models: list[Path], data: Path, preset: str, batch_sizes: str, folder: str) -> list[str]:
    words = [*map(str, models), "--data", str(data), "--provider", "cpu", "--preset", preset]
    words += ["--batch-sizes", batch_sizes, "--samples", f"{folder}/samples.csv", "--host", f"{folder}/host.json"]
    return harness.resbench("latency", *words)


def measure_ours(models: list[Path], data: Path, preset: str, batch_sizes: str) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(latency_command(models, data, preset, batch_sizes, folder), check=True)
        return pd.read_csv(f"{folder}/samples.csv")


def measure_plain(models: list[Path], data: Path) -> list[float]:
    """Median ms of each model."""
    command = [sys.executable, "-c", PLAIN_LOOP, data, *models]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def measure_loadgen(models: list[Path], images: bytes) -> list[list[Outcome]]:
    """LOADGEN_RUNS outcomes of each model, the models in turn."""
    found: list[list[Outcome]] = [[] for _ in models]
    for _ in range(LOADGEN_RUNS):
        for outcomes, model in zip(found, models, strict=True):
            job = Job(str(model), "cpu", {}, threads=1, batch_size=1, bound_ms=100.0, seconds=LOADGEN_S, queries=64)
            outcomes.append(Outcome(**run_fresh("resbench.benchmark.loadgen_worker", job._asdict(), images)))
    return found


def movement(ratios: list[float]) -> float:
    """Median absolute deviation from the median, as a fraction of it."""
    middle = statistics.median(ratios)
    return statistics.median(abs(ratio - middle) for ratio in ratios) / middle


def show(title: str, pairs: dict[tuple[str, str], list[float]]) -> tuple[float, bool]:
    """Print each pair's ratios; the largest movement, and whether every pair stayed in order."""
    print(f"\n{title}")
    for (first, second), ratios in pairs.items():
        listed = " ".join(f"{ratio:6.3f}" for ratio in ratios)
        print(f"  {first + ' / ' + second:36} {listed}   moves by {100 * movement(ratios):.1f} %")
    in_order = all(len({ratio > 1 for ratio in ratios}) == 1 for ratios in pairs.values())
    print(f"  ranking {'the same in all runs' if in_order else 'CHANGED'}", flush=True)
    return max(movement(ratios) for ratios in pairs.values()), in_order


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--loaded", type=int, default=2)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--batch-sizes", default="1,32")
    options = parser.parse_args()
    models = [path.resolve() for path in options.models]
    if len(models) < 2 or "1" not in options.batch_sizes.split(","):
        parser.error("give two models or more, and batch size 1 among the sizes")
    images = load_split(options.data).images[:1024].tobytes()
    loaded = range(options.runs - 1, 0, -2)[: options.loaded]

    ours: dict[int, dict[tuple[str, str], list[float]]] = {}
    paired: dict[int, dict[tuple[str, str], list[float]]] = {}
    plain: dict[tuple[str, str], list[float]] = {}
    loadgen: dict[tuple[str, str], list[float]] = {}
    agreement: dict[str, dict[str, list[float]]] = {}
    for run in range(1, options.runs + 1):
        print(f"run {run} of {options.runs}{', one core busy' if run in loaded else ''}", flush=True)
        load = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if run in loaded else None
        try:
            before = measure_loadgen(models, images)
            samples = measure_ours(models, options.data, options.preset, options.batch_sizes)
            after = measure_loadgen(models, images)
            medians = measure_plain(models, options.data)
        finally:
            if load:
                load.kill()
                load.wait()
        samples["name"] = samples["variant"] + " " + samples["precision"].fillna("")
        by_model = dict(list(samples.groupby(samples["model"] + ".onnx")))
        names = [by_model[str(model)]["name"].iloc[0].strip() for model in models]
        for (a, first), (b, second) in itertools.combinations(enumerate(models), 2):
            pair = (names[a], names[b])
            plain.setdefault(pair, []).append(medians[a] / medians[b])
            loadgen.setdefault(pair, []).append(before[a][0].p50_ms / before[b][0].p50_ms)
            for size, calls in by_model[str(first)].groupby("batch_size"):
                others = by_model[str(second)].query("batch_size == @size")
                least = calls["latency_ms"].min() / others["latency_ms"].min()
                ours.setdefault(size, {}).setdefault(pair, []).append(least)
                ratio = latency_ratio(round_minima(calls), round_minima(others)).estimate
                paired.setdefault(size, {}).setdefault(pair, []).append(ratio)
        for name, model, *outcomes in zip(names, models, before, after, strict=True):
            times = by_model[str(model)].query("batch_size == 1")["latency_ms"]
            theirs = [*itertools.chain(*outcomes)]
            for key, percent in (("p50", 50), ("p90", 90)):
                reference = statistics.median(getattr(outcome, f"{key}_ms") for outcome in theirs)
                agreement.setdefault(name, {}).setdefault(key, []).append(np.percentile(times, percent) / reference)

    verdicts = []
    for size, pairs in sorted(ours.items()):
        moved, in_order = show(f"resbench latency, batch {size}: ratio of latency_min_ms, which ranks", pairs)
        show(f"resbench latency, batch {size}: mean ratio over rounds, which has an interval", paired[size])
        verdicts.append(
            Verdict(f"batch {size}: ratios move by {100 * moved:.1f} %", f"at most {100 * MOVES:.0f} %", moved <= MOVES)
        )
        verdicts.append(Verdict(f"batch {size}: ranking", "never changes", in_order))
    show("a plain loop, batch 1: ratio of medians", plain)
    show("LoadGen SingleStream: ratio of medians", loadgen)
    print("\nour percentile / LoadGen's, in each run")
    for name, keys in agreement.items():
        for key, ratios in keys.items():
            print(f"  {name:30} {key} {' '.join(f'{ratio:6.3f}' for ratio in ratios)}")
    off = [abs(statistics.median(ratios) - 1) for keys in agreement.values() for ratios in keys.values()]
    text = f"p50 and p90 within {100 * max(off):.0f} % of LoadGen's (median run)"
    harness.conclude([*verdicts, Verdict(text, f"{100 * AGREES:.0f} %", max(off) <= AGREES)])


if __name__ == "__main__":
    main()
