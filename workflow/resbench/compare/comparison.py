"""The comparison of two runs: what differs, what is the same bit for bit, what became better or worse."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from resbench.common.errors import ResbenchError
from resbench.compare.facts import HARDWARE, VERSIONS, Difference, differences, unlike
from resbench.compare.run import Model, Run
from resbench.report.format import counted
from resbench.report.inputs import Key
from resbench.statistics.accuracy import adjust, compare_networks, compare_precisions
from resbench.statistics.latency import Ratio
from resbench.statistics.occasions import BETWEEN_OCCASIONS, Spread, compare_occasions, occasion_latency
from resbench.statistics.verdicts import ACCURACY_MARGIN, LATENCY_MARGIN, Verdict, judge

Remeasured = dict[Key, tuple[float, float, Ratio]]  # ms of the old and of the new model, and the ratio new / old


class Reason(StrEnum):
    """Why a row has its verdict, where the numbers alone do not show it.

    Attributes:
        SAME_BITS: Both runs hold the same predictions, or the same graph.
        ONE_SEED: The row is about these two models alone: one training each cannot show how far trainings differ.
        OTHER_SEEDS: One run has one seed, the other several, and none of them is the same.
        FEW_ROUNDS: Too few rounds were timed.
        HARDWARE: The machines differ; `Row.unlike` names the facts.
        VERSIONS: The runtimes differ; `Row.unlike` names the facts.
    """

    SAME_BITS = "same_bits"
    ONE_SEED = "one_seed"
    OTHER_SEEDS = "other_seeds"
    FEW_ROUNDS = "few_rounds"
    HARDWARE = "hardware"
    VERSIONS = "versions"


class Bits(NamedTuple):
    """Whether a model of both runs is the same, bit for bit.

    Attributes:
        model: The model.
        compared: The stages of which both runs hold the output, in order.
        differs_at: The first of them whose output differs; None where no output differs.
    """

    model: Model
    compared: list[str]
    differs_at: str | None


class Row(NamedTuple):
    """The new run's model compared with the old run's, in one metric.

    Attributes:
        metric: `accuracy` or `latency`.
        variant, precision, provider: The model and where it ran.
        old, new: Accuracy as a fraction, or latency in ms.
        estimate: Accuracies: new less old; latencies: new divided by old.
        batch_size, threads: Of a latency.
        seeds, seeds_new: How many trainings of the old and of the new run were compared; None for a latency.
        paired: Whether the runs are paired by seed, or by round; otherwise they are independent samples.
        low, high: 95 % confidence interval of the estimate.
        p_value: For the hypothesis that there is no difference.
        p_adjusted: The p-value, Holm-adjusted over all rows that have one.
        p_equivalence: For the hypothesis that the difference is the margin or more.
        margin: Equivalence margin.
        verdict: Verdict on the new run.
        reason: See `Reason`; None where the numbers explain the verdict.
        unlike: Names of the facts in which the environments differ.
    """

    metric: str
    variant: str
    precision: str
    provider: str
    old: float
    new: float
    estimate: float
    batch_size: int | None = None
    threads: int | None = None
    seeds: int | None = None
    seeds_new: int | None = None
    paired: bool = False
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    p_equivalence: float | None = None
    margin: float = ACCURACY_MARGIN
    verdict: Verdict = Verdict.UNDECIDED
    reason: Reason | None = None
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two runs.

    Attributes:
        old, new: Names of the two runs: their folders or crates.
        differing: Facts that differ.
        shared: Number of facts that do not differ.
        bits: One entry for each model of both runs.
        only_old, only_new: Predictions and timings that only one of the runs holds.
        rows: Accuracies, then latencies.
        spread: How far latencies vary between occasions; None where both runs' models were timed again, together.
        exact: Whether a model that is not the same bit for bit is a failure.
    """

    old: str
    new: str
    differing: list[Difference]
    shared: int
    bits: list[Bits]
    only_old: list[str]
    only_new: list[str]
    rows: list[Row]
    spread: Spread | None
    exact: bool

    @property
    def failures(self) -> list[str]:
        """Return the reasons for exit status 1, one line each; empty where the run is reproduced or no worse."""
        worse = [f"{row.metric} of {row.variant} {row.precision} on {row.provider}" for row in self.rows if _worse(row)]
        found = [f"worse: {', '.join(dict.fromkeys(worse))}"] if worse else []
        found += [f"missing from the new run: {'; '.join(self.only_old)}"] if self.only_old else []
        different = [str(bits.model) for bits in self.bits if bits.differs_at]
        return [*found, *([f"not the same bits: {', '.join(different)}"] if self.exact and different else [])]


def compare_runs(
    old: Run,
    new: Run,
    *,
    spread: Spread = BETWEEN_OCCASIONS,
    across_versions: bool = False,
    exact: bool = False,
    remeasured: Remeasured | None = None,
) -> Comparison:
    """Compare a new run with an old one.

    All p-values are adjusted as one family: of 100 reruns in which nothing changed, at most 5 have any row that says
    better or worse.

    Args:
        old, new: The runs.
        spread: How far latencies vary between occasions.
        across_versions: Whether to judge latencies although the runtimes' versions differ, as after an upgrade.
        exact: See `Comparison`.
        remeasured: Timings of both runs' models, measured together; the runs' own timings are then not used.

    Returns:
        The comparison.

    Raises:
        ResbenchError: The runs were evaluated on different test images.
    """
    _require_same_images(old, new)
    rows = list(_accuracies(old, new))
    if remeasured is None:
        rows += _latencies(old, new, spread, across_versions)
    else:
        rows += [_latency_row(key, *found)._replace(paired=True) for key, found in remeasured.items()]
    differing, shared = differences(old, new)
    one, other = ([*_names(run)] for run in (old, new))
    return Comparison(
        old=str(old.name),
        new=str(new.name),
        differing=differing,
        shared=shared,
        bits=[_bits(old, new, model) for model in old.digests if model in new.digests],
        only_old=[name for name in one if name not in other],
        only_new=[name for name in other if name not in one],
        rows=_judged(rows),
        spread=spread if remeasured is None else None,
        exact=exact,
    )


def _require_same_images(old: Run, new: Run) -> None:
    if not np.array_equal(old.labels, new.labels):
        raise ResbenchError(
            f"{new.name}: its test images are not those of {old.name} ({len(new.labels):,} and "
            f"{len(old.labels):,}, or in another order); accuracies on different images cannot be compared"
        )
    digests = [next(iter(run.digests.values())).get("test images") for run in (old, new)]
    if None not in digests and digests[0] != digests[1]:
        raise ResbenchError(
            f"{new.name}: its test images have the labels of those of {old.name}, and other pixels; "
            "accuracies on different images cannot be compared"
        )


def _bits(old: Run, new: Run, model: Model) -> Bits:
    one, other = old.digests[model], new.digests[model]
    compared = [stage for stage in one if stage in other]
    return Bits(model, compared, next((stage for stage in compared if one[stage] != other[stage]), None))


def _names(run: Run) -> Iterator[str]:
    yield from (f"predictions of {variant} {precision} on {provider}" for variant, precision, provider in run.hits)
    for variant, precision, provider, batch_size, threads in run.minima:
        yield f"timing of {variant} {precision} on {provider}, batch {batch_size}, {counted(threads, 'thread')}"


def _accuracies(old: Run, new: Run) -> Iterator[Row]:
    for key in [key for key in old.hits if key in new.hits]:
        one, other = old.hits[key], new.hits[key]
        shared = [seed for seed in one if seed in other]
        # One seed of several in common says less than all seeds of both.
        paired = len(shared) > 1 or (bool(shared) and min(len(one), len(other)) == 1)
        if paired:
            one, other = ({seed: hits[seed] for seed in shared} for hits in (one, other))
        before, after = (np.stack(list(hits.values())) for hits in (one, other))
        row = Row(
            metric="accuracy",
            variant=key[0],
            precision=key[1],
            provider=key[2],
            seeds=len(before),
            seeds_new=len(after),
            paired=paired,
            old=float(before.mean()),
            new=float(after.mean()),
            estimate=float(after.mean() - before.mean()),
        )
        if paired and _same_predictions(old, new, key, shared):
            yield row._replace(verdict=Verdict.EQUIVALENT, reason=Reason.SAME_BITS, low=0.0, high=0.0)
            continue
        found = (compare_precisions if paired else compare_networks)(after, before)
        if found is None:
            yield row._replace(reason=Reason.OTHER_SEEDS)
            continue
        figures = found._asdict()
        del figures["variances"]
        yield row._replace(**figures, reason=Reason.ONE_SEED if row.seeds == row.seeds_new == 1 else None)


def _same_predictions(old: Run, new: Run, key: Key, seeds: list[str]) -> bool:
    variant, precision, provider = key
    stage = f"predictions on {provider}"
    models = [Model(variant, seed, precision) for seed in seeds]
    return all(old.digests[model][stage] == new.digests[model][stage] for model in models)


def _latencies(old: Run, new: Run, spread: Spread, across_versions: bool) -> Iterator[Row]:
    for key in [key for key in old.minima if key in new.minima]:
        before, after = old.minima[key], new.minima[key]
        ratio = compare_occasions(after, before, spread)
        row = _latency_row(key, occasion_latency(before), occasion_latency(after), ratio)
        provider = key[2]
        for reason, names in ((Reason.HARDWARE, HARDWARE), (Reason.VERSIONS, [] if across_versions else VERSIONS)):
            if found := unlike(provider, old.hosts[provider], new.hosts[provider], names):
                row = row._replace(low=None, high=None, p_value=None, p_equivalence=None)
                row = row._replace(verdict=Verdict.NOT_COMPARABLE, reason=reason, unlike=tuple(found))
                break
        yield row


def _latency_row(key: Key, before: float, after: float, ratio: Ratio) -> Row:
    variant, precision, provider, batch_size, threads = key
    return Row(
        metric="latency",
        variant=variant,
        precision=precision,
        provider=provider,
        batch_size=batch_size,
        threads=threads,
        old=before,
        new=after,
        **ratio._asdict(),
        margin=LATENCY_MARGIN,
        reason=Reason.FEW_ROUNDS if ratio.low is None else None,
    )


def _judged(rows: list[Row]) -> list[Row]:
    """Adjust all p-values as one family, and turn them into verdicts."""
    adjusted = iter(adjust([row.p_value for row in rows if row.p_value is not None]))
    return [row if row.p_value is None else _judge(row, next(adjusted)) for row in rows]


def _judge(row: Row, p_adjusted: float) -> Row:
    gain = row.estimate if row.metric == "accuracy" else -math.log(row.estimate)
    assert row.p_equivalence is not None
    return row._replace(p_adjusted=p_adjusted, verdict=judge(gain, p_adjusted, row.p_equivalence))


def _worse(row: Row) -> bool:
    return row.verdict is Verdict.WORSE
