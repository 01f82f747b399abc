"""Verdicts in words: the one place where codes and numbers become sentences, for the page, report.md and the card."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from resbench.report.comparisons import Kind
from resbench.report.format import between, points, times
from resbench.report.published import Reason
from resbench.statistics.accuracy import MOST_SEEDS
from resbench.statistics.verdicts import Verdict

Row = Mapping[Any, Any]  # of comparisons.csv; empty cells are None, "" or NaN

PUBLISHED_WORDS = {
    Verdict.EQUIVALENT: "reproduces the published accuracy within {margin}",
    Verdict.BETTER: "above the published accuracy",
    Verdict.WORSE: "below the published accuracy",
    Verdict.UNDECIDED: "consistent with the published accuracy: it lies inside the 95 % interval of one more run",
}
TARGET_WORDS = {
    Verdict.EQUIVALENT: "at the target, within {margin}",
    Verdict.BETTER: "reaches the target",
    Verdict.WORSE: "misses the target",
    Verdict.UNDECIDED: "undecided: the target lies inside the 95 % interval of one more run",
}


def describe_comparison(row: Row) -> str:
    """Return the verdict of a row of comparisons.csv in words, about its first model."""
    verdict = Verdict(row["verdict"])
    if verdict is Verdict.NOT_COMPARABLE:
        return f"not comparable: {describe_departure(row)}"
    if row["kind"] in (Kind.PUBLISHED, Kind.TARGET):
        words = PUBLISHED_WORDS if row["kind"] == Kind.PUBLISHED else TARGET_WORDS
        return words[verdict].format(margin=accuracy_margin(row["margin"]))
    text = _latency(row, verdict) if row["metric"] == "latency" else _accuracy(row, verdict)
    return f"{text} (these two models only: one seed)" if known(row["seeds"]) and row["seeds"] == 1 else text


def describe_departure(row: Row) -> str:
    """Return in words what sets a run apart from the published one."""
    found, required = row["found"], row["required"]
    return {
        Reason.DATASET: f"the images are {found}, not {required}",
        Reason.PROTOCOL: f"the protocol {found} instead of {required}",
        Reason.TRAIN_IMAGES: f"{_count(found)} training images instead of {_count(required)}",
        Reason.EPOCHS: f"{_count(found)} epochs instead of {_count(required)}",
        Reason.BATCH_SIZE: f"batches of {_count(found)} instead of {_count(required)}",
        Reason.FEW_ROUNDS: f"{_count(found)} {'round' if str(found) == '1' else 'rounds'} timed, {required} needed",
    }[Reason(row["reason"])]


def accuracy_margin(margin: float) -> str:
    """Return a margin of accuracy in words: 0.01 → 1 point."""
    return f"{100 * margin:g} {'point' if margin == 0.01 else 'points'}"


def latency_margin(margin: float) -> str:
    """Return a margin of latency in words: 0.05 → 5 %."""
    return f"{100 * margin:g} %"


def known(value: Any) -> bool:
    """Return whether a cell is not empty."""
    return value is not None and value != "" and not pd.isna(value)


def _accuracy(row: Row, verdict: Verdict) -> str:
    low, high = sorted((abs(row["low"]), abs(row["high"])))
    ends = between(points(low), points(high))
    direction = "more" if row["estimate"] > 0 else "less"
    if verdict is Verdict.EQUIVALENT:
        text = f"as accurate within {accuracy_margin(row['margin'])}"
        return f"{text} ({ends} points {direction})" if row["low"] > 0 or row["high"] < 0 else text
    if verdict is not Verdict.UNDECIDED:
        return f"{direction} accurate by {ends} points"
    if row["seeds"] == 1:
        return "undecided"
    needed = f"about {row['seeds_needed']:.0f}" if known(row["seeds_needed"]) else f"more than {MOST_SEEDS}"
    return f"undecided: {needed} seeds of each would show a difference of this size"


def _latency(row: Row, verdict: Verdict) -> str:
    if known(row["reason"]):
        return f"undecided: {describe_departure(row)}"
    if verdict is Verdict.EQUIVALENT:
        return f"as fast within {latency_margin(row['margin'])}"
    if verdict is Verdict.UNDECIDED:
        return "undecided"
    faster = verdict is Verdict.BETTER
    low, high = (1 / row["high"], 1 / row["low"]) if faster else (row["low"], row["high"])
    return f"{'faster' if faster else 'slower'} by a factor of {between(times(low), times(high))}"


def _count(text: Any) -> str:
    return f"{int(text):,}" if str(text).isdecimal() else str(text)
