"""Who is better than whom, in numbers and in words: comparisons.csv."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from resbench.report.format import between
from resbench.report.inputs import Answer, Inputs, Key, answered, settings
from resbench.report.published import departure
from resbench.statistics import accuracy as statistics
from resbench.statistics.accuracy import MOST_SEEDS, Correct, Difference
from resbench.statistics.intervals import LEVEL
from resbench.statistics.latency import FEWEST_ROUNDS, latency_ratio, round_minima
from resbench.statistics.metrics import keeps_accuracy

COMPARISON_COLUMNS = [
    *("metric", "first", "first_precision", "second", "second_precision", "provider", "batch_size", "threads"),
    *("estimate", "low", "high", "p_value", "p_adjusted", "verdict", "seeds_needed"),
]
FAMILY = ("metric", "first_precision", "second_precision", "provider")
PUBLISHED = "published"
NOT_COMPARABLE = "not comparable: "  # how the verdict on a published accuracy begins where a run departs from it

Row = dict[str, Any]


def comparison_rows(inputs: Inputs, dataset: str) -> list[Row]:
    """Every comparison that the measurements allow, as `COMPARISON_COLUMNS`.

    metric `accuracy`, for each provider: the variants in pairs at each precision; each variant at a
    lower precision (first) beside itself at fp32 (second); each variant at fp32 beside its
    published accuracy (second is `published`, without precision).  estimate is first less second,
    a fraction, [low, high] its 95 % interval.  Beside a published accuracy, which is of one run,
    the interval is that of one more run of ours, less the published one; there are no p-values.

    metric `latency`, for each provider, batch size and threads: the same pairs.  estimate is how
    many times as long the first takes as the second, [low, high] its 95 % interval: paired rounds,
    shortest calls.

    p_adjusted is Holm's over a family, the rows that share `FAMILY`; a verdict names a winner
    where it is below 5 %.  Intervals are each for itself.  seeds_needed is how many would tell two
    accuracies apart; None where they are apart, where it would take more than 100, where one seed
    tells nothing of others, and for latency.
    """
    rows = [*_accuracy(inputs), *_latency(inputs)]
    families: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        families.setdefault(tuple(row[name] for name in FAMILY), []).append(row)
    for family in families.values():
        tested = [row for row in family if row["p_value"] is not None]
        for row, p_adjusted in zip(tested, statistics.adjust([row["p_value"] for row in tested]), strict=True):
            row["p_adjusted"] = p_adjusted
        for row in family:
            _judge(row, len(tested))
    rows += _published(inputs, dataset)
    return [{column: row.get(column) for column in COMPARISON_COLUMNS} for row in rows]


def _accuracy(inputs: Inputs) -> Iterator[Row]:
    evaluated = answered(inputs)
    for first, second in _pairs(evaluated, inputs):
        row = _names(first, second) | {"metric": "accuracy"}
        if first[0] != second[0]:
            found = statistics.compare_networks(_correct(evaluated[first]), _correct(evaluated[second]))
        else:
            seeds = [seed for seed in evaluated[first] if seed in evaluated[second]]
            if not seeds:
                continue
            one, other = ({seed: evaluated[key][seed] for seed in seeds} for key in (first, second))
            found = statistics.compare_precisions(_correct(one), _correct(other))
            row["kept"] = keeps_accuracy(*(float(_correct(answers).mean()) for answers in (one, other)))
        yield row | found._asdict() | {"difference": found}


def _latency(inputs: Inputs) -> Iterator[Row]:
    floors = {
        key: dict(zip(np.unique(calls["round"]).tolist(), round_minima(calls), strict=True))
        for key, calls in settings(inputs)
    }
    for first, second in _pairs(floors, inputs):
        rounds = [number for number in floors[first] if number in floors[second]]
        if rounds:
            one, other = (np.array([floors[key][number] for number in rounds]) for key in (first, second))
            ratio = latency_ratio(one, other)
            row = _names(first, second) | {"metric": "latency", "batch_size": first[3], "threads": first[4]}
            yield row | ratio._asdict()


def _published(inputs: Inputs, dataset: str) -> Iterator[Row]:
    exports = {export.variant: export for export in inputs.parity}
    for (variant, precision, provider), answers in answered(inputs).items():
        accuracy = exports[variant].published_accuracy
        if precision != "fp32" or accuracy is None:
            continue
        row: Row = {"metric": "accuracy", "first": variant, "first_precision": precision, "second": PUBLISHED}
        row |= {"second_precision": "", "provider": provider}
        if reason := departure(exports[variant], dataset):
            yield row | {"verdict": f"{NOT_COMPARABLE}{reason}"}
            continue
        correct = _correct(answers)
        low, high = statistics.next_run_interval(correct)
        place = "inside" if low <= accuracy <= high else "outside"
        of = "one more run" if len(correct) > 1 else "the one seed over test images"
        ends = between(f"{100 * low:.1f}", f"{100 * high:.1f}")
        verdict = f"published {100 * accuracy:.2f} % is {place} our interval of {of}, {ends} %"
        row |= {"estimate": float(correct.mean()) - accuracy, "low": low - accuracy, "high": high - accuracy}
        yield row | {"verdict": verdict}


def _correct(answers: dict[str, Answer]) -> Correct:
    return np.stack([answer.correct for answer in answers.values()])


def _pairs(found: Iterable[Key], inputs: Inputs) -> Iterator[tuple[Key, Key]]:
    """Of (variant, precision, ...): those that differ in the variant alone; then lower precisions beside fp32.

    Variants come in the order of the parity files.
    """
    variants = list(dict.fromkeys(export.variant for export in inputs.parity))
    keys = sorted(found, key=lambda key: variants.index(key[0]))
    for first, second in itertools.combinations(keys, 2):
        if first[0] != second[0] and first[1:] == second[1:]:
            yield first, second
    for key in keys:
        reference = (key[0], "fp32", *key[2:])
        if key != reference and reference in keys:
            yield key, reference


def _names(first: Key, second: Key) -> Row:
    names = {"first": first[0], "first_precision": first[1], "second": second[0], "second_precision": second[1]}
    return names | {"provider": first[2]}


def _judge(row: Row, tests: int) -> None:
    """Add the verdict, and for accuracy the seeds it would take."""
    better = row.get("p_adjusted") is not None and row["p_adjusted"] < LEVEL
    if row["metric"] == "latency":
        row["verdict"] = _latency_words(row, better)
        return
    difference: Difference = row["difference"]
    row["seeds_needed"] = None if better else statistics.seeds_needed(difference, tests)
    row["verdict"] = _accuracy_words(difference, better, row["seeds_needed"])
    if "kept" in row:
        row["verdict"] += f"; {'keeps' if row['kept'] else 'falls below'} 99 % of fp32's accuracy"


def _accuracy_words(difference: Difference, better: bool, needed: int | None) -> str:
    one_seed = difference.variances is None
    if better:
        ends = sorted((abs(100 * difference.low), abs(100 * difference.high)))
        digits = 1 if ends[0] >= 0.1 else 2
        word = "better" if difference.estimate > 0 else "worse"
        words = f"{word} by {between(*(f'{end:.{digits}f}' for end in ends))} points"
        return f"{words} in these two models; one seed cannot tell more" if one_seed else words
    if one_seed:
        return "not distinguishable with these runs; one seed cannot tell how many would"
    how_many = f"about {needed} seeds" if needed else f"more than {MOST_SEEDS} seeds, or more test images,"
    return f"not distinguishable with these runs; {how_many} would tell"


def _latency_words(row: Row, better: bool) -> str:
    if row["low"] is None:
        return f"not distinguishable with these runs; it takes {FEWEST_ROUNDS} rounds or more"
    if not better:
        return "not distinguishable with these runs"
    faster = row["estimate"] < 1
    low, high = (1 / row["high"], 1 / row["low"]) if faster else (row["low"], row["high"])
    digits = 1 if low >= 1.1 else 2 if low >= 1.01 else 3
    factor = between(f"{low:.{digits}f}", f"{high:.{digits}f}")
    return f"{'faster' if faster else 'slower'} by a factor of {factor}"
