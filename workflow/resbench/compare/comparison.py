"""Two runs held against each other: what differs, what is the same bit for bit, what became better or worse."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from resbench.common.errors import ResbenchError
from resbench.compare.facts import HARDWARE, VERSIONS, Difference, differences, unlike
from resbench.compare.run import Model, Run
from resbench.report.inputs import Key
from resbench.statistics.accuracy import adjust, compare_networks, compare_precisions
from resbench.statistics.latency import Ratio
from resbench.statistics.occasions import BETWEEN_OCCASIONS, Spread, compare_occasions, occasion_latency
from resbench.statistics.verdicts import ACCURACY_MARGIN, LATENCY_MARGIN, Verdict, judge

Remeasured = dict[Key, tuple[float, float, Ratio]]  # ms of the old and of the new model, and the ratio new / old


class Reason(StrEnum):
    """Why a verdict is what it is, where the numbers alone do not say so.

    Attributes:
        SAME_BITS: Both runs hold the same predictions, or the same graph.
        ONE_SEED: The row is about these two models alone: one training each cannot show how far trainings differ.
        FEW_ROUNDS: Too few rounds were timed.
        HARDWARE: The machines differ; the names say in what.
        VERSIONS: The runtimes differ; the names say in what.
    """

    SAME_BITS = "same_bits"
    ONE_SEED = "one_seed"
    FEW_ROUNDS = "few_rounds"
    HARDWARE = "hardware"
    VERSIONS = "versions"


class Bits(NamedTuple):
    """Whether a model of both runs is the same, bit for bit.

    Attributes:
        model: The model.
        compared: The stages that both runs hold, in order.
        parts_at: The first of them whose output differs; None where none does.
    """

    model: Model
    compared: list[str]
    parts_at: str | None


class Row(NamedTuple):
    """The new run's model against the old one's.

    Attributes:
        metric: `accuracy` or `latency`.
        variant, precision, provider: The model and where it ran.
        old, new: Accuracy as a fraction, or latency in ms.
        estimate: Accuracies: new less old; latencies: new divided by old.
        batch_size, threads: Of a latency.
        seeds: How many of each were compared; None for a latency.
        paired: Whether seed by seed, or round by round; else the two sides are independent.
        low, high: Its 95 % interval.
        p_value: Of the hypothesis of no difference.
        p_adjusted: Holm's, over all rows with a p-value.
        p_equivalence: Of the hypothesis of a difference of the margin or more.
        margin: Within which the two are equivalent.
        verdict: Of the new one.
        reason: See `Reason`; None where the numbers say it all.
        unlike: Names of the facts that a reason is about.
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
    """All of it.

    Attributes:
        old, new: The two folders.
        differing: Facts that differ.
        shared: How many do not.
        bits: One entry for each model of both runs.
        only_old, only_new: Models, and settings that were timed, of one run alone.
        rows: Accuracies, then latencies.
        spread: What latencies of two occasions were judged with; None where both were measured again, together.
        exact: Whether the new run counts as reproduced only where every model is the same, bit for bit.
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
        """Return why the exit status is 1, one line each; empty where the run is reproduced or no worse."""
        worse = [f"{row.metric} of {row.variant} {row.precision} on {row.provider}" for row in self.rows if _worse(row)]
        found = [f"worse: {', '.join(dict.fromkeys(worse))}"] if worse else []
        found += [f"missing from the new run: {', '.join(self.only_old)}"] if self.only_old else []
        parted = [str(bits.model) for bits in self.bits if bits.parts_at]
        return [*found, *([f"not the same bits: {', '.join(parted)}"] if self.exact and parted else [])]


def compare_runs(
    old: Run,
    new: Run,
    *,
    spread: Spread = BETWEEN_OCCASIONS,
    across_versions: bool = False,
    exact: bool = False,
    remeasured: Remeasured | None = None,
) -> Comparison:
    """Hold a new run against an old one.

    All p-values are adjusted as one family: of 100 reruns in which nothing changed, at most 5 have any row that says
    better or worse.

    Args:
        old, new: The runs.
        spread: How far latencies move between occasions.
        across_versions: Judge latencies although the runtimes' versions differ: what an upgrade changed.
        exact: See `Comparison`.
        remeasured: Both runs' models, timed together; their own timings are then not used.

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
    yield from (f"{' '.join(key)}, predictions" for key in run.hits)
    for variant, precision, provider, batch_size, threads in run.minima:
        yield f"{variant} {precision} {provider}, timing with batch size {batch_size} and {threads} threads"


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
            seeds=min(len(before), len(after)),
            paired=paired,
            old=float(before.mean()),
            new=float(after.mean()),
            estimate=float(after.mean() - before.mean()),
        )
        if paired and _same_predictions(old, new, key, shared):
            yield row._replace(verdict=Verdict.EQUIVALENT, reason=Reason.SAME_BITS, low=0.0, high=0.0)
            continue
        found = (compare_precisions if paired else compare_networks)(after, before, ACCURACY_MARGIN)
        figures = found._asdict()
        del figures["variances"]
        yield row._replace(**figures, reason=Reason.ONE_SEED if row.seeds == 1 else None)


def _same_predictions(old: Run, new: Run, key: Key, seeds: list[str]) -> bool:
    variant, precision, provider = key
    stage = f"predictions on {provider}"
    models = [Model(variant, seed, precision) for seed in seeds]
    return all(old.digests[model][stage] == new.digests[model][stage] for model in models)


def _latencies(old: Run, new: Run, spread: Spread, across_versions: bool) -> Iterator[Row]:
    for key in [key for key in old.minima if key in new.minima]:
        before, after = old.minima[key], new.minima[key]
        ratio = compare_occasions(after, before, spread, LATENCY_MARGIN)
        row = _latency_row(key, occasion_latency(before), occasion_latency(after), ratio)
        hosts = old.hosts[key[2]], new.hosts[key[2]]
        for reason, names in ((Reason.HARDWARE, HARDWARE), (Reason.VERSIONS, [] if across_versions else VERSIONS)):
            if found := unlike(*hosts, names):
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
