"""What many models cost: planning their run, and collating their results.

    python perf/scale.py [--seeds 5,10,25,50] [--files 300,1000,2000,3000] [--plot docs/scale.svg]

with the package importable.  Planning is a dry run over 20 variants, that many seeds and all three
precisions, on a CPU and a GPU provider, in a copy of the workflow.  Collating reads that many
predictions of 10,000 images: one network is trained for a moment, exported, evaluated and timed, and
its files are multiplied under other names, 20 variants and three precisions for each seed.  Prints
wall time and peak memory at each size, how both grow (the exponent of the size between the smallest
and the largest), and the largest against its targets; exit status 1 where one is missed.
"""

import json
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import altair as alt
import harness
import numpy as np
import pandas as pd
import yaml
from harness import Verdict
from resbench.data.store import Split, load_split, save_split

ROOT = Path(__file__).parents[1]
VARIANTS = [f"variant{number:02}" for number in range(20)]
PRECISIONS = ["fp32", "int8", "fp16"]
STAGES = """
    digits digits.tar
    convert digits.tar --train train.npz --test small.npz --summary summary.json
    train resnet20 --data train.npz --seed 0 --limit 64 --epochs 1 --model m.keras --history h.csv --device cpu
    export m.keras --data test.npz --onnx fp32.onnx --parity parity.json
    evaluate fp32.onnx --data test.npz --provider cpu --predictions predictions.npz
    latency fp32.onnx --provider cpu --samples samples.csv --host host.json --batch-sizes 1 --preset smoke
"""
TEST_IMAGES = 10_000
PLANNING_S, PLANNING_MB, COLLATING_MB = 30.0, 500.0, 2000.0


class Cost(NamedTuple):
    """peak: largest resident memory of the process, in units of 10^6 bytes."""

    size: int
    seconds: float
    peak: float


def measure(size: int, command: list[str], folder: Path, root: Path = ROOT) -> Cost:
    return Cost(size, *harness.run(command, folder, os.environ | {"PYTHONPATH": str(root / "workflow")}))


def plan(seeds: int, folder: Path) -> Cost:
    """A dry run of everything; its size is the number of trained models."""
    config = {
        "variants": VARIANTS,
        "seeds": list(range(seeds)),
        "precisions": PRECISIONS,
        "benchmark": {"providers": ["cpu", "cuda"]},
    }
    (folder / "scale.yaml").write_text(yaml.safe_dump(config))
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "scale.yaml"]
    return measure(len(VARIANTS) * seeds, [*snakemake, "--dry-run", "--quiet", "all"], folder, root=folder)


def copy_workflow(folder: Path) -> None:
    """The workflow with 20 variants more, all the same."""
    for part in ("config", "profiles", "workflow"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    networks = folder / "workflow/resbench/networks/variants"
    for name in VARIANTS:
        shutil.copy(networks / "resnet20.py", networks / f"{name}.py")


def measure_one_model(folder: Path) -> None:
    """Every stage's files, of one network and TEST_IMAGES digits."""
    for stage in STAGES.strip().splitlines():
        if "test.npz" in stage and not (folder / "test.npz").exists():
            small = load_split(folder / "small.npz")
            again = np.arange(TEST_IMAGES) % len(small.images)
            save_split(folder / "test.npz", Split(small.images[again], small.labels[again], small.classes))
        measure(1, harness.resbench(*stage.split()), folder)


def multiply(files: int, folder: Path) -> list[str]:
    """Write the files of that many evaluations and return what names them on the command line."""
    seeds = math.ceil(files / (len(VARIANTS) * len(PRECISIONS)))
    models = [(variant, str(seed)) for seed in range(seeds) for variant in VARIANTS]
    evaluations = [(*model, precision) for model in models for precision in PRECISIONS][:files]
    words = []
    parity = json.loads((folder / "parity.json").read_text())
    for variant, seed in dict.fromkeys(evaluation[:2] for evaluation in evaluations):
        path = folder / f"{variant}-{seed}.json"
        path.write_text(json.dumps(parity | {"variant": variant, "seed": seed}))
        words += ["--parity", path.name]
    with np.load(folder / "predictions.npz") as arrays:
        answers = dict(arrays)
    for number, (variant, seed, precision) in enumerate(evaluations):
        names = {"variant": variant, "seed": seed, "precision": precision}
        order = np.random.default_rng(number).permutation(TEST_IMAGES)
        own = {key: value[order] if key == "probabilities" else value for key, value in answers.items()}
        path = folder / f"{variant}-{seed}-{precision}.npz"
        if not path.exists():
            np.savez(path, **own | {key: np.array(value) for key, value in names.items()})
        words += ["--predictions", path.name]
    calls = pd.read_csv(folder / "samples.csv")
    first = [evaluation for evaluation in evaluations if evaluation[1] == "0"]
    samples = [calls.assign(variant=v, seed=s, precision=p, model=f"{v}/{p}") for v, s, p in first]
    pd.concat(samples).to_csv(folder / "all.csv", index=False)
    return [*words, "--samples", "all.csv", "--host", "host.json", "--summary", "summary.json"]


def collate_command(files: int, folder: Path) -> list[str]:
    """Write the files of that many evaluations and return the command that collates them."""
    outputs = ["--report", "r.csv", "--comparisons", "c.csv", "--recommendation", "r.json"]
    outputs += ["--markdown", "r.md", "--checksums", "r.sums", "--name", "synthesised"]
    return harness.resbench("collate", *outputs, *multiply(files, folder))


def table(title: str, costs: list[Cost]) -> None:
    print(f"\n{title:>24} {'wall s':>9} {'peak MB':>9}")
    for cost in costs:
        print(f"{cost.size:24,} {cost.seconds:9.1f} {cost.peak:9.0f}")
    if len(costs) > 1:
        first, last = costs[0], costs[-1]
        rates = [math.log(last[i] / first[i]) / math.log(last.size / first.size) for i in (1, 2)]
        print(f"{'grows as size to the':>24} {rates[0]:9.2f} {rates[1]:9.2f}")


def draw(planning: list[Cost], collating: list[Cost], path: Path) -> None:
    def panel(costs: list[Cost], size: str, column: str, title: str, target: float | None) -> alt.LayerChart:
        data = pd.DataFrame(costs)
        axes = alt.Chart(data, title=title).encode(
            x=alt.X("size", title=size), y=alt.Y(column, title=None, scale=alt.Scale(zero=True))
        )
        layers = [axes.mark_line(point=True)]
        if target:
            limit = alt.Chart(pd.DataFrame({column: [target], "text": ["target"]})).encode(y=column)
            layers += [limit.mark_rule(strokeDash=[4, 4]), limit.mark_text(dy=-6, x=22).encode(text="text")]
        return alt.layer(*layers).properties(width=220, height=150)

    chart = alt.vconcat(
        alt.hconcat(
            panel(planning, "models", "seconds", "Planning: seconds", PLANNING_S),
            panel(planning, "models", "peak", "Planning: peak memory, MB", PLANNING_MB),
        ),
        alt.hconcat(
            panel(collating, "predictions of 10,000 images", "seconds", "Collating: seconds", None),
            panel(collating, "predictions of 10,000 images", "peak", "Collating: peak memory, MB", COLLATING_MB),
        ),
    )
    chart.save(path)


def sizes(text: str) -> list[int]:
    return sorted(int(part) for part in text.split(","))


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--seeds", type=sizes, default="5,10,25,50")
    parser.add_argument("--files", type=sizes, default="300,1000,2000,3000")
    parser.add_argument("--plot", type=Path, help="draw the growth here, .svg or .png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_workflow(folder)
        planning = [plan(seeds, folder) for seeds in options.seeds]
    table("models to plan", planning)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure_one_model(folder)
        collating = [measure(files, collate_command(files, folder), folder) for files in options.files]
    table("predictions to collate", collating)
    if options.plot:
        draw(planning, collating, options.plot)
    limits = [
        (f"planning {planning[-1].size:,} models takes {planning[-1].seconds:.1f} s", PLANNING_S, planning[-1].seconds),
        (f"planning {planning[-1].size:,} models takes {planning[-1].peak:.0f} MB", PLANNING_MB, planning[-1].peak),
        (f"collating {collating[-1].size:,} takes {collating[-1].peak:.0f} MB", COLLATING_MB, collating[-1].peak),
    ]
    harness.conclude([Verdict(text, f"at most {limit:.0f}", figure <= limit) for text, limit, figure in limits])


if __name__ == "__main__":
    main()
