"""How far the latency of the same models moves between occasions on one machine: what `resbench compare` allows for.

    python perf/occasions.py MODEL.onnx… [--data test.npz] [--occasions 20] [--pause 60] [--preset quick] [--folder DIR]

Times the models on several separate occasions, each a complete measurement of `resbench latency`, with a pause in s
between them.  Prints, for each model and setting, the standard deviation of the logarithm of its
latency over occasions, and the pooled one: `BETWEEN_OCCASIONS` in resbench.statistics.occasions, or `compare --spread`.
Then an A/A check: every occasion is compared with the one half the occasions later, judged by the deviation over the
first ten occasions that are neither of the two.  --folder keeps finished occasions, and goes on from them.
"""

import tempfile
import time
from pathlib import Path

import harness
import numpy as np
from harness import Verdict
from resbench.benchmark.latency import measure_latency
from resbench.benchmark.plan import LatencyRequest
from resbench.common.progress import say
from resbench.compare.run import read_minima
from resbench.statistics import verdicts
from resbench.statistics.accuracy import adjust
from resbench.statistics.occasions import compare_occasions, estimate_spread, occasion_latency

FEWEST = 10  # occasions that a deviation is estimated from
QUIET = 0.95  # of the A/A pairs call nothing better or worse, at least

Occasion = dict[tuple, np.ndarray]  # shortest call of each round in ms, by model and setting


def measure(options, folder: Path) -> list[Occasion]:
    """Time the models on every occasion whose files are not there yet, and read them all."""
    files = [(folder / f"samples{n}.csv", folder / f"host{n}.json") for n in range(options.occasions)]
    for number, (samples, host) in enumerate(files, 1):
        if samples.exists() and host.exists():
            continue
        if number > 1:
            time.sleep(options.pause)
        say(f"occasion {number} of {options.occasions}")
        measure_latency(
            options.models,
            LatencyRequest(
                options.provider,
                [int(size) for size in options.batch_sizes.split(",")],
                [int(number) for number in options.threads.split(",")],
                options.preset,
            ),
            samples,
            host,
            data=options.data,
        )
    return [{key: np.array(list(rounds.values())) for key, rounds in read_minima(*pair).items()} for pair in files]


def latencies(occasions: list[Occasion]) -> np.ndarray:
    """Return ms, shape (occasions, models and settings)."""
    return np.array([[occasion_latency(minima) for minima in occasion.values()] for occasion in occasions])


def is_alarm(occasions: list[Occasion], one: int, other: int) -> bool:
    """Return whether a comparison of two occasions calls any model better or worse."""
    others = [occasion for n, occasion in enumerate(occasions) if n not in (one, other)][:FEWEST]
    spread = estimate_spread(latencies(others))
    ratios = [compare_occasions(occasions[other][key], occasions[one][key], spread) for key in occasions[one]]
    adjusted = adjust([ratio.p_value for ratio in ratios])
    found = [
        verdicts.judge(-np.log(ratio.estimate), p, ratio.p_equivalence)
        for ratio, p in zip(ratios, adjusted, strict=True)
    ]
    return any(verdict in (verdicts.Verdict.BETTER, verdicts.Verdict.WORSE) for verdict in found)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--occasions", type=int, default=20)
    parser.add_argument("--pause", type=float, default=60.0, help="seconds between two occasions")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--batch-sizes", default="1,32")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.occasions < FEWEST + 2:
        parser.error(f"--occasions: at least {FEWEST + 2}, for a deviation over {FEWEST} and two to compare")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        occasions = measure(options, folder)
    found = latencies(occasions)
    for column, (variant, precision, *_, batch_size, threads) in enumerate(occasions[0]):
        one = found[:, [column]]
        print(
            f"{variant} {precision}, batch {batch_size}, {threads} threads: {np.exp(np.log(one).mean()):.3f} ms, "
            f"from {one.min():.3f} to {one.max():.3f}; deviation {estimate_spread(one).deviation:.4f}"
        )
    spread = estimate_spread(found)
    print(f"\nBETWEEN_OCCASIONS = Spread(deviation={spread.deviation:.3f}, occasions={spread.occasions})")
    half = options.occasions // 2
    pairs = [(n, (n + half) % options.occasions) for n in range(options.occasions)]
    alarms = sum(is_alarm(occasions, *pair) for pair in pairs)
    quiet = 1 - alarms / len(pairs)
    figure = f"A/A: {len(pairs) - alarms} of {len(pairs)} pairs of occasions equivalent or undecided in every row"
    harness.conclude([Verdict(figure, f"at least {100 * QUIET:.0f} %", quiet >= QUIET)])


if __name__ == "__main__":
    main()
