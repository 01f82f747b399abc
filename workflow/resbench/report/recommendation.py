"""Which model to deploy: one rule, applied to what was measured on one host at one setting.

The rule: of the models that are less than `TOLERANCE` below the most accurate one, or that these runs
cannot tell from it, take the fastest; of those as fast, the smallest.  Nothing is called better
that the comparisons do not show to be better.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from resbench.report.comparisons import Kind
from resbench.report.format import between, percent, points, significant, times, with_unit
from resbench.statistics.intervals import LEVEL

TOLERANCE = 0.01  # of accuracy, given up for speed; the page says so
CONFIDENCE = with_unit("95", "%")

Model = tuple[str, str]  # variant, precision


class Candidate(NamedTuple):
    """accuracy: fraction, mean over seeds, with its 95 % interval; None: unknown.

    latency_ms: median of all calls, which is what a caller sees; shortest_ms: the one least disturbed, which ranks.
    """

    variant: str
    precision: str
    accuracy: float
    latency_ms: float
    shortest_ms: float
    model_bytes: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None

    @property
    def model(self) -> Model:
        return self.variant, self.precision

    @property
    def name(self) -> str:
        return f"{self.variant} {self.precision}".strip()


@dataclass(frozen=True)
class Difference:
    """First less second: the estimate, its 95 % interval, and whether it is more than noise.

    `seeds_needed`: so many seeds of each would tell; None where unknown.
    """

    estimate: float
    low: float
    high: float
    proven: bool
    seeds_needed: int | None = None

    def __neg__(self) -> "Difference":
        return replace(self, estimate=-self.estimate, low=-self.high, high=-self.low)

    def __add__(self, other: "Difference") -> "Difference":
        """Through something third: ends add up, which is wide enough whatever the two have in common."""
        low, high = self.low + other.low, self.high + other.high
        return Difference(self.estimate + other.estimate, low, high, low > 0 or high < 0)


Differences = dict[tuple[Model, Model], Difference]


class Choice(NamedTuple):
    """What to deploy when `priority` comes first, and in words why."""

    priority: str
    candidate: Candidate
    reason: str


class Answer(NamedTuple):
    """choice: by the rule; evidence: sentences; alternatives: what another priority would choose."""

    choice: Candidate
    evidence: list[str]
    alternatives: list[Choice]

    def named(self) -> list[Candidate]:
        return [self.choice, *(choice.candidate for choice in self.alternatives)]


class Evidence:
    """The comparisons of one host and setting, asked in either direction.

    Different networks in different precisions are compared in two steps, through the same network
    in the other's precision.  Where that fails too, the measured values stand.
    """

    def __init__(self, accuracy: Differences, latency: Differences) -> None:
        """Differences of accuracies, and of the logarithms of latencies; first less second."""
        self.accuracy = accuracy | {pair[::-1]: -found for pair, found in accuracy.items()}
        self.latency = latency | {pair[::-1]: -found for pair, found in latency.items()}

    def less_accurate(self, first: Candidate, second: Candidate) -> bool:
        """Whether `first` is shown to be less accurate than `second`."""
        found = _compared(self.accuracy, first, second)
        return first.accuracy < second.accuracy if found is None else found.proven and found.estimate < 0

    def slower(self, first: Candidate, second: Candidate) -> bool:
        """Whether `first` is shown to be slower than `second`."""
        found = _compared(self.latency, first, second)
        return first.shortest_ms > second.shortest_ms if found is None else found.proven and found.estimate > 0


def _compared(differences: Differences, first: Candidate, second: Candidate) -> Difference | None:
    found = differences.get((first.model, second.model))
    for middle in ((first.variant, second.precision), (second.variant, first.precision)):
        steps = differences.get((first.model, middle)), differences.get((middle, second.model))
        if found is None and steps[0] and steps[1]:
            found = steps[0] + steps[1]
    return found


def candidates_of(rows: pd.DataFrame) -> list[Candidate]:
    """The models of rows of report.csv, all of one host and setting, that have an accuracy and a latency."""
    complete = rows.dropna(subset=["accuracy_mean", "latency_p50_ms"])
    return [
        Candidate(
            row["variant"],
            row["precision"],
            row["accuracy_mean"],
            row["latency_p50_ms"],
            row["latency_min_ms"],
            *(None if pd.isna(row[name]) else row[name] for name in ("model_bytes", "accuracy_low", "accuracy_high")),
        )
        for row in complete.to_dict("records")
    ]


def evidence_of(comparisons: pd.DataFrame, provider: str, batch_size: float, threads: float) -> Evidence:
    """What comparisons.csv says of models on one provider, at one setting."""
    of_models = ~comparisons["kind"].isin([Kind.PUBLISHED, Kind.TARGET])
    here = comparisons[(comparisons["provider"] == provider) & of_models]
    latency = (here["metric"] == "latency") & (here["batch_size"] == batch_size) & (here["threads"] == threads)
    ends = ["estimate", "low", "high"]
    logarithms = here[latency].copy()
    logarithms[ends] = np.log(logarithms[ends])
    return Evidence(_differences(here[here["metric"] == "accuracy"]), _differences(logarithms))


def _differences(comparisons: pd.DataFrame) -> Differences:
    """Those that have an interval: the others were not compared, and the measured values stand."""
    return {
        ((row["first"], row["first_precision"]), (row["second"], row["second_precision"])): Difference(
            row["estimate"],
            row["low"],
            row["high"],
            row["p_adjusted"] < LEVEL,
            None if pd.isna(row["seeds_needed"]) else int(row["seeds_needed"]),
        )
        for row in comparisons.dropna(subset=["low"]).to_dict("records")
    }


def answer(candidates: Sequence[Candidate], evidence: Evidence) -> Answer | None:
    """Apply the rule.  All candidates were timed on one host, one provider and one setting.

    Returns:
        None where there is no candidate.
    """
    if not candidates:
        return None
    top = max(candidates, key=lambda c: (c.accuracy, -c.shortest_ms))
    equals = [c for c in candidates if not evidence.less_accurate(c, top)]
    close = [c for c in candidates if c in equals or c.accuracy > top.accuracy - TOLERANCE]
    choice = fastest(close, evidence)
    quickest = fastest(candidates, evidence)
    return Answer(
        choice,
        [
            _on_accuracy(choice, top, candidates, equals, evidence),
            _on_latency(choice, top, candidates, close, evidence),
        ],
        [
            _alternative("Accuracy first", top, choice, evidence),
            _alternative("Latency first", quickest if evidence.slower(choice, quickest) else choice, choice, evidence),
            _alternative("Size first", smallest(candidates), choice, evidence),
        ],
    )


def fastest(candidates: Sequence[Candidate], evidence: Evidence) -> Candidate:
    """The one with the shortest call; of those that are as fast within the noise, the smallest, then the best."""
    first = min(candidates, key=lambda c: (c.shortest_ms, -c.accuracy))
    as_fast = [c for c in candidates if not evidence.slower(c, first)]
    return min(as_fast, key=lambda c: (_bytes(c), -c.accuracy, c.shortest_ms))


def smallest(candidates: Sequence[Candidate]) -> Candidate:
    """The one with the smallest file, then the most accurate."""
    return min(candidates, key=lambda c: (_bytes(c), -c.accuracy, c.shortest_ms))


def _bytes(candidate: Candidate) -> float:
    return float("inf") if candidate.model_bytes is None else candidate.model_bytes


def _on_accuracy(
    choice: Candidate, top: Candidate, candidates: Sequence[Candidate], equals: list[Candidate], evidence: Evidence
) -> str:
    got = f"It names the right class for {_percent(choice)} of the test images"
    if choice.accuracy_low is not None and choice.accuracy_high is not None:
        ends = between(percent(choice.accuracy_low), percent(choice.accuracy_high), "to")
        got += f" ({CONFIDENCE} interval {ends})"
    if choice == top:
        others = [c for c in candidates if c != top]
        if not others:
            return f"{got}."
        got += ", more than any other" if all(c.accuracy < top.accuracy for c in others) else ", and none more"
        untold = [c for c in equals if c != top]
        return f"{got}, but {_listing(untold)} cannot be told from it with these runs." if untold else f"{got}."
    best = f"the most accurate, {top.name} ({_percent(top)})"
    if choice in equals:
        return f"{got}. It is not distinguishable with these runs from {best}{_interval(choice, top, evidence)}."
    given_up = points(top.accuracy - choice.accuracy)
    return (
        f"{got}: {given_up} points less than {best}, which is within the one point that this answer gives up for speed."
    )


def _interval(choice: Candidate, top: Candidate, evidence: Evidence) -> str:
    difference = _compared(evidence.accuracy, choice, top)
    if difference is None:
        return ""
    ends = between(points(difference.low), points(difference.high), "to")
    text = f": the difference is {points(difference.estimate)} points, {CONFIDENCE} interval {ends}"
    return text + (f"; about {difference.seeds_needed} seeds would tell" if difference.seeds_needed else "")


def _on_latency(
    choice: Candidate, top: Candidate, candidates: Sequence[Candidate], close: list[Candidate], evidence: Evidence
) -> str:
    median, shortest = (with_unit(significant(ms), "ms") for ms in (choice.latency_ms, choice.shortest_ms))
    text = f"It takes {median} in the median, {shortest} at the shortest"
    others = [c for c in candidates if c != choice]
    if not others:
        return f"{text}. No other model was measured."
    as_fast = [c for c in close if c != choice and not evidence.slower(c, choice) and not evidence.slower(choice, c)]
    as_fast = [c for c in as_fast if _bytes(c) >= _bytes(choice)]
    if as_fast:
        return f"{text}, which is as fast as {_listing(as_fast)} within the noise; its file is not larger."
    if choice != top:
        return f"{text}, which is {times(top.shortest_ms / choice.shortest_ms)} times faster than {top.name}."
    quicker = [c for c in others if evidence.slower(choice, c)]
    if quicker:
        first = min(quicker, key=lambda c: c.shortest_ms)
        return (
            f"{text}. {first.name} is {times(choice.shortest_ms / first.shortest_ms)} times faster, "
            f"but {points(choice.accuracy - first.accuracy)} points less accurate."
        )
    if all(evidence.slower(c, choice) for c in others):
        return f"{text}, which is faster than any other."
    return f"{text}. No other is shown to be faster."


def _alternative(priority: str, candidate: Candidate, choice: Candidate, evidence: Evidence) -> Choice:
    if candidate == choice:
        return Choice(priority, candidate, "The same model.")
    gain = candidate.accuracy - choice.accuracy
    accuracy = f"{points(abs(gain))} points {'more' if gain > 0 else 'less'} accurate" if gain else "as accurate"
    difference = _compared(evidence.accuracy, candidate, choice)
    if gain and difference is not None and not difference.proven:
        accuracy += " as measured (which may be chance)"
    ratio = candidate.shortest_ms / choice.shortest_ms
    speed = f"{times(ratio)} times slower" if ratio > 1 else f"{times(1 / ratio)} times faster"
    if not evidence.slower(candidate, choice) and not evidence.slower(choice, candidate):
        speed = "as fast"
    parts = [accuracy, speed]
    if candidate.model_bytes and choice.model_bytes:
        share = candidate.model_bytes / choice.model_bytes
        parts.append(f"a file {times(share if share > 1 else 1 / share)} times as {'large' if share > 1 else 'small'}")
    return Choice(priority, candidate, f"{_listing_words(parts)}.".capitalize())


def _percent(candidate: Candidate) -> str:
    return with_unit(percent(candidate.accuracy), "%")


def _listing(candidates: Iterable[Candidate]) -> str:
    return _listing_words([c.name for c in candidates])


def _listing_words(words: list[str]) -> str:
    """One, two and three; beyond four, their number stands for the rest."""
    if len(words) > 4:
        words = [*words[:3], f"{len(words) - 3} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
