"""comparisons.csv: comparisons of models, as verdict codes with their numbers."""

import itertools
import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from resbench.report.inputs import Evaluation, Inputs, Key, evaluations_by_model, timed_calls
from resbench.report.published import TARGET, Reason, departure
from resbench.statistics import accuracy as statistics
from resbench.statistics.accuracy import Correct
from resbench.statistics.latency import FEWEST_ROUNDS, latency_ratio, round_minima
from resbench.statistics.verdicts import ACCURACY_MARGIN, LATENCY_MARGIN, Verdict, judge

COMPARISON_COLUMNS = [
    *("metric", "kind", "first", "first_precision", "second", "second_precision", "provider", "batch_size", "threads"),
    "host",
    *("seeds", "estimate", "low", "high", "p_value", "p_adjusted", "margin", "p_equivalence", "verdict"),
    *("seeds_needed", "reason", "actual", "required"),
]
FAMILY = ("metric", "kind", "provider", "host")  # and the two precisions, in either order

Row = dict[str, Any]


class Kind(StrEnum):
    """What is compared with what.

    Attributes:
        NETWORK: Two networks in the same precision.
        PRECISION: A network in a lower precision, with itself in fp32.
        MODEL: Two networks in different precisions.
        PUBLISHED: A network in fp32, with its published accuracy.
        TARGET: A network in fp32, with an accuracy that its source requires.
    """

    NETWORK = "network"
    PRECISION = "precision"
    MODEL = "model"
    PUBLISHED = "published"
    TARGET = "target"


def comparison_rows(inputs: Inputs, dataset: str) -> list[Row]:
    """Return every comparison that the measurements allow.

    metric `accuracy`: all pairs of models on one provider, and each network in fp32 with its published accuracy, where
    second is the kind and has no precision. estimate is first less second, a fraction; [low, high] is its 95 %
    interval. A published accuracy is of one run, so the interval is that of one more run of this network, or, with one
    seed, of this model's accuracy, less the published one; there are no p-values. seeds: the number of seeds of each;
    with 1 the row is about these two models alone.

    metric `latency`, for each host, provider, batch size and number of threads: the same pairs, where one measurement
    timed both. estimate is the ratio of the first latency to the second, of paired rounds and shortest calls.

    p_adjusted is Holm's over a family, the rows that share `FAMILY` and the pair of precisions. verdict is `equivalent`
    where the interval lies within the margin (p_equivalence < 5 %), else `better` or `worse` where p_adjusted is below
    5 %, else `undecided`; for published accuracies p is replaced by whether the interval excludes 0, and a target,
    which has no margin, is reached where no part of the interval is below 0. seeds_needed: so many seeds of each would
    show a difference of accuracies; None where that is unknown or more than 100. reason: see `Reason`; actual and
    required are the values it is about.

    Args:
        inputs: Results of the other stages.
        dataset: Name of the images in report.csv.

    Returns:
        Rows, by `COMPARISON_COLUMNS`.
    """
    rows = [*_accuracy(inputs), *_latency(inputs)]
    families: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row["p_value"] is not None:
            precisions = frozenset((row["first_precision"], row["second_precision"]))
            families.setdefault((*(row.get(name) for name in FAMILY), precisions), []).append(row)
    for family in families.values():
        adjusted = statistics.adjust([row["p_value"] for row in family])
        for row, p_adjusted in zip(family, adjusted, strict=True):
            gain = row["estimate"] if row["metric"] == "accuracy" else -math.log(row["estimate"])
            row |= {"p_adjusted": p_adjusted, "verdict": judge(gain, p_adjusted, row["p_equivalence"])}
            if row["metric"] == "accuracy" and row["verdict"] is Verdict.UNDECIDED:
                row["seeds_needed"] = statistics.seeds_needed(row["difference"], len(family))
    rows += _published(inputs, dataset)
    return [{column: row.get(column) for column in COMPARISON_COLUMNS} for row in rows]


def _accuracy(inputs: Inputs) -> Iterator[Row]:
    evaluated = evaluations_by_model(inputs)
    for kind, first, second in _pairs(evaluated, inputs):
        one, other = evaluated[first], evaluated[second]
        compare = statistics.compare_networks
        if kind is Kind.PRECISION:
            shared = [seed for seed in one if seed in other]
            if not shared:
                continue
            one, other = ({seed: evaluations[seed] for seed in shared} for evaluations in (one, other))
            compare = statistics.compare_precisions
        difference = compare(_correct(one), _correct(other))
        row = _names(kind, first, second) | {"metric": "accuracy", "margin": ACCURACY_MARGIN}
        row |= {"seeds": min(len(one), len(other))}
        if difference is None:
            estimate = float(_correct(one).mean() - _correct(other).mean())
            row |= {"estimate": estimate, "p_value": None, "verdict": Verdict.UNDECIDED}
            yield row | {"reason": Reason.SEEDS, "actual": str(len(one)), "required": str(len(other))}
            continue
        yield row | {"difference": difference} | difference._asdict()


def _latency(inputs: Inputs) -> Iterator[Row]:
    for table in inputs.timings:  # rounds are paired within one measurement: those of another one were at another time
        yield from _latency_within(table, inputs)


def _latency_within(table: pd.DataFrame, inputs: Inputs) -> Iterator[Row]:
    minima = {
        key: dict(zip(np.unique(calls["round"]).tolist(), round_minima(calls), strict=True))
        for key, calls in timed_calls(table)
    }
    for kind, first, second in _pairs(minima, inputs):
        rounds = [number for number in minima[first] if number in minima[second]]
        if not rounds:
            continue
        one, other = (np.array([minima[key][number] for number in rounds]) for key in (first, second))
        row = _names(kind, first, second) | latency_ratio(one, other)._asdict()
        row |= {"metric": "latency", "margin": LATENCY_MARGIN}
        row |= dict(zip(("batch_size", "threads", "host"), first[3:], strict=True))
        if row["low"] is None:
            row |= {"verdict": Verdict.UNDECIDED, "reason": Reason.FEW_ROUNDS}
            row |= {"actual": str(len(rounds)), "required": str(FEWEST_ROUNDS)}
        yield row


def _published(inputs: Inputs, dataset: str) -> Iterator[Row]:
    exports = {export.variant: export for export in inputs.parity}
    for (variant, precision, provider), evaluations in evaluations_by_model(inputs).items():
        export = exports[variant]
        accuracy = export.published_accuracy
        if precision != "fp32" or accuracy is None:
            continue
        kind = Kind.TARGET if export.published_kind == TARGET else Kind.PUBLISHED
        row = _names(kind, (variant, precision, provider), (kind.value, "")) | {"metric": "accuracy"}
        if departed := departure(export, dataset):
            yield row | {"verdict": Verdict.NOT_COMPARABLE} | departed._asdict()
            continue
        correct = _correct(evaluations)
        low, high = (end - accuracy for end in statistics.next_run_interval(correct))
        estimate = float(correct.mean()) - accuracy
        row |= {"seeds": len(correct), "estimate": estimate, "low": low, "high": high}
        if kind is Kind.TARGET:  # a value to reach: almost is not enough
            verdict = Verdict.BETTER if low >= 0 else Verdict.WORSE if high < 0 else Verdict.UNDECIDED
            yield row | {"verdict": verdict}
            continue
        equivalent = low > -ACCURACY_MARGIN and high < ACCURACY_MARGIN
        verdict = judge(estimate, float(low <= 0 <= high), float(not equivalent))
        yield row | {"margin": ACCURACY_MARGIN, "verdict": verdict}


def _correct(evaluations: dict[str, Evaluation]) -> Correct:
    return np.stack([evaluation.correct for evaluation in evaluations.values()])


def _pairs(models: Iterable[Key], inputs: Inputs) -> Iterator[tuple[Kind, Key, Key]]:
    """Yield all pairs of (variant, precision, ...) that differ only in variant or precision, kind by kind.

    Variants come in the order of the parity files; of one network, the lower precision is the first.
    """
    variants = list(dict.fromkeys(export.variant for export in inputs.parity))
    keys = sorted(models, key=lambda key: variants.index(key[0]))
    pairs: dict[Kind, list[tuple[Key, Key]]] = {Kind.NETWORK: [], Kind.PRECISION: [], Kind.MODEL: []}
    for first, second in itertools.combinations(keys, 2):
        if first[2:] != second[2:]:
            continue
        if first[0] == second[0]:
            if "fp32" in (first[1], second[1]):
                pairs[Kind.PRECISION].append((second, first) if first[1] == "fp32" else (first, second))
        else:
            pairs[Kind.NETWORK if first[1] == second[1] else Kind.MODEL].append((first, second))
    for kind, members in pairs.items():
        for pair in members:
            yield kind, *pair


def _names(kind: Kind, first: Key, second: Key) -> Row:
    names = {"first": first[0], "first_precision": first[1], "second": second[0], "second_precision": second[1]}
    return names | {"kind": kind, "provider": first[2]}
