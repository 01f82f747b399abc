"""Verdicts as text: only here codes and numbers become sentences, for the page, report.md and the card."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from resbench.data.corruptions import CORRUPTIONS
from resbench.report.comparisons import Kind
from resbench.report.format import between, counted, percent, points, sentence, significant, times, with_unit
from resbench.report.published import Reason
from resbench.report.recommendation import (
    Alternative,
    Candidate,
    Code,
    Comparison,
    Finding,
    Precision,
    Priority,
    Recommendation,
)
from resbench.runtime.providers import PROVIDERS
from resbench.statistics.accuracy import MOST_SEEDS
from resbench.statistics.intervals import LEVEL
from resbench.statistics.verdicts import ACCURACY_MARGIN, LATENCY_MARGIN, Verdict

Row = Mapping[Any, Any]  # of comparisons.csv; empty cells are None, "" or NaN

PUBLISHED_TEXTS = {
    Verdict.EQUIVALENT: "reproduces the published accuracy within {margin}",
    Verdict.BETTER: "above the published accuracy",
    Verdict.WORSE: "below the published accuracy",
    Verdict.UNDECIDED: "consistent with the published accuracy: it lies inside {interval}",
}
TARGET_TEXTS = {
    Verdict.BETTER: "reaches the target",
    Verdict.WORSE: "misses the target",
    Verdict.UNDECIDED: "undecided: the target lies inside {interval}",
}
EQUAL = times(1)  # a factor that is written like this says nothing

UNPAIRED = "A change without an interval compares different images, which cannot be paired."


def describe_comparison(row: Row) -> str:
    """Return the verdict of a comparison as text about its first model.

    Args:
        row: A row of comparisons.csv.

    Returns:
        The text.
    """
    verdict = Verdict(row["verdict"])
    if verdict is Verdict.NOT_COMPARABLE:
        return f"not comparable: {describe_departure(row)}"
    if known(row["reason"]):
        return f"undecided: {describe_departure(row)}"
    one_seed = known(row["seeds"]) and row["seeds"] == 1
    interval = "this model's 95 % interval" if one_seed else "the 95 % interval of one more run"
    if row["kind"] == Kind.TARGET:
        text = TARGET_TEXTS[verdict].format(interval=interval)
    elif row["kind"] == Kind.PUBLISHED:
        text = PUBLISHED_TEXTS[verdict].format(margin=accuracy_margin(row["margin"]), interval=interval)
    else:
        text = _latency(row, verdict) if row["metric"] == "latency" else _accuracy(row, verdict)
    return f"{text} with one seed" if one_seed else text


def describe_recommendation(recommendation: Recommendation) -> list[str]:
    """Return why the recommended model was chosen.

    Args:
        recommendation: The recommendation.

    Returns:
        One sentence for each finding.
    """
    choice, findings = recommendation.choice, recommendation.findings
    asked = any(finding.code is Code.OVERRIDE for finding in findings)  # then the models are of one precision
    considered = f"{choice.precision} models" if asked else "eligible models"
    return [_finding(finding, choice, considered) for finding in findings]


def describe_precision(precision: Precision) -> str:
    """Return why one network is deployed in its precision.

    Args:
        precision: The precision and its findings.

    Returns:
        Sentences; empty where only one precision was measured.
    """
    return " ".join(_finding(finding, precision.model) for finding in precision.findings)


def describe_alternative(alternative: Alternative, choice: Candidate) -> str:
    """Return what another priority would gain and lose compared with the recommended model.

    Args:
        alternative: The other model.
        choice: The recommended model.

    Returns:
        A sentence.
    """
    if alternative.accuracy is None or alternative.latency is None:
        return "The same model."
    parts = [describe_measured(alternative.accuracy), describe_measured(alternative.latency)]
    if alternative.model.model_bytes and choice.model_bytes:
        share = alternative.model.model_bytes / choice.model_bytes
        size = f"{_factor(share)} times as {'large' if share > 1 else 'small'}"
        parts += [f"a file {size}"] if _factor(share) != EQUAL else []
    return sentence(parts)


def describe_measured(comparison: Comparison) -> str:
    """Return the verdict of a comparison as text, with the measured figure where nothing is shown.

    Args:
        comparison: The comparison.

    Returns:
        The text.
    """
    row = comparison.model_dump() | {"kind": Kind.MODEL, "reason": None}
    text = describe_comparison(row)
    if comparison.verdict is not Verdict.UNDECIDED:
        return text
    estimate = comparison.estimate
    if comparison.metric == "accuracy":
        gap = points(abs(estimate))
        measured = f"{gap} points {'more' if estimate > 0 else 'less'} accurate"
        if gap == points(0):
            measured = "equally accurate"
    else:
        factor = _factor(estimate)
        measured = "equally fast" if factor == EQUAL else f"{factor} times {'slower' if estimate > 1 else 'faster'}"
    return f"{measured} as measured, which may be chance ({text})"


PRIORITY_TITLES = {
    Priority.ACCURACY: "Accuracy first",
    Priority.LATENCY: "Latency first",
    Priority.SIZE: "Size first",
}


def describe_departure(row: Row) -> str:
    """Return why a comparison has no verdict, as text.

    Args:
        row: A row of comparisons.csv.

    Returns:
        The text.
    """
    actual, required = row["actual"], row["required"]
    return {
        Reason.DATASET: f"the images are {actual}, not {required}",
        Reason.PROTOCOL: f"the protocol {actual} instead of {required}",
        Reason.TRAIN_IMAGES: f"{_count(actual, 'training image')} instead of {_count(required)}",
        Reason.EPOCHS: f"{_count(actual, 'epoch')} instead of {_count(required)}",
        Reason.BATCH_SIZE: f"batches of {_count(actual)} instead of {_count(required)}",
        Reason.SEEDS: f"{_count(actual)} and {_count(required)} seeds; train both with the same seeds",
        Reason.FEW_ROUNDS: f"{_count(actual, 'round')} timed, {required} needed",
    }[Reason(row["reason"])]


def provider_title(provider: str) -> str:
    """Return the provider's name for readers.

    Args:
        provider: Name of the provider.

    Returns:
        Its title.
    """
    return PROVIDERS[provider].title if provider in PROVIDERS else provider


def setting_text(setting: tuple[float, float]) -> str:
    """Return batch size and threads as text: (1, 2) → one image at a time on 2 threads.

    Args:
        setting: Batch size and threads.

    Returns:
        The text.
    """
    batch_size, threads = setting
    images = "one image at a time" if batch_size == 1 else f"batches of {batch_size:.0f}"
    return f"{images} on {counted(threads, 'thread')}"


def accuracy_margin(margin: float) -> str:
    """Return a margin of accuracy as text: 0.01 → 1 point.

    Args:
        margin: A fraction.

    Returns:
        The text.
    """
    return f"{100 * margin:g} {'point' if margin == 0.01 else 'points'}"


def latency_margin(margin: float) -> str:
    """Return a margin of latency as text: 0.05 → 5 %.

    Args:
        margin: A fraction.

    Returns:
        The text.
    """
    return f"{100 * margin:g} %"


def describe_rule() -> str:
    """Return the rule of the recommendation, see `decision`.

    Returns:
        Sentences.
    """
    point = accuracy_margin(ACCURACY_MARGIN)
    return (
        "The rule: a precision below fp32 is eligible where it is shown to be faster than the same variant's fp32 and "
        f"loses less than {point}. Of the eligible models that are less than {point} below the most accurate of them, "
        f"take the fastest; of those shown to be as fast within {latency_margin(LATENCY_MARGIN)}, the smallest."
    )


def describe_verdicts() -> str:
    """Return what the verdicts of comparisons mean.

    Returns:
        Sentences.
    """
    gap, ratio = accuracy_margin(ACCURACY_MARGIN), latency_margin(LATENCY_MARGIN)
    return (
        "All models saw the same test images. Comparisons use that; overlapping intervals of two accuracies do not. "
        f"Each interval is of its own pair, at {100 * (1 - LEVEL):g} % confidence. Two models are as accurate where "
        f"that of their difference lies within ± {gap}, and as fast where that of their ratio lies within {ratio}; "
        f"otherwise p, Holm-adjusted for the number of pairs, decides: below {LEVEL:g} one is better, else the pair is "
        "undecided. Ratios are of the shortest calls in the same rounds. A published accuracy is of one run, so it is "
        "compared with one more run of the same variant, or, with one seed, with that model."
    )


def describe_corruptions() -> str:
    """Return what the corrupted copies of the test images are.

    Returns:
        A sentence.
    """
    *titles, last = (record.title for record in CORRUPTIONS.values())
    whose = "those of Hendrycks & Dietterich (2019), applied to the test images"
    return sentence([f"{', '.join(titles)} and {last} are {whose}"])


def known(value: Any) -> bool:
    """Return whether a cell is not empty.

    Args:
        value: The cell: None, "" and NaN are empty.

    Returns:
        True where it holds a value.
    """
    return value is not None and value != "" and not pd.isna(value)


def _finding(finding: Finding, subject: Candidate, considered: str = "eligible models") -> str:
    """Return one finding about the recommended model of those considered, or about a precision of a network."""
    model, accuracy, latency = finding.model, finding.accuracy, finding.latency
    if model is None:
        rest = "No other model was measured" if finding.code is Code.ONLY_MODEL else f"There are no other {considered}"
        return f"{_accuracy_of(subject)}. {_latency_of(subject)}. {rest}."
    margin = accuracy_margin(ACCURACY_MARGIN)
    skill, speed = (one and describe_measured(one) for one in (accuracy, latency))
    what = {
        Code.MOST_ACCURATE: f"{_accuracy_of(subject)}, the highest of the {considered}",
        Code.WITHIN_MARGIN: f"{_accuracy_of(subject)}, less than {margin} below the highest of the {considered}",
        Code.FASTEST: _latency_of(subject),
        Code.AS_FAST_AND_SMALLER: f"{_latency_of(subject)}; of the {considered} within {margin} that are as fast, "
        "none has a smaller file",
    }
    if finding.code in what:
        rank = {Code.WITHIN_MARGIN: ", the most accurate of them", Code.AS_FAST_AND_SMALLER: ", the fastest of them"}
        measured = f" ({_percent(model)})" if finding.code is Code.WITHIN_MARGIN else ""
        against = f"Compared with {model.name}{measured}{rank.get(finding.code, '')}, it is"
        return f"{what[finding.code]}. {against} {skill or speed}."
    return {
        Code.FASTER_LESS_ACCURATE: f"{model.name} is faster, but its accuracy is {margin} or more below the highest of "
        f"the {considered}. Compared with {model.name}, the recommended model is {skill}, and {speed}.",
        Code.PRECISION_FASTER: f"Compared with fp32, {model.name} is {speed}; {skill}.",
        Code.PRECISION_NOT_FASTER: f"{model.name} is not shown to be faster than fp32: {speed}; {skill}.",
        Code.PRECISION_LESS_ACCURATE: f"{model.name} loses {margin} or more compared with fp32: {skill}; {speed}.",
        Code.OVERRIDE: f"The configuration asks for {subject.precision}; the rule would choose {model.name}.",
    }[finding.code]


def _accuracy_of(candidate: Candidate) -> str:
    text = f"Its test accuracy is {_percent(candidate)}"
    if candidate.accuracy_low is None or candidate.accuracy_high is None:
        return text
    ends = between(percent(candidate.accuracy_low), percent(candidate.accuracy_high), "to")
    return f"{text} ({with_unit('95', '%')} CI {ends})"


def _latency_of(candidate: Candidate) -> str:
    median, shortest = (with_unit(significant(ms), "ms") for ms in (candidate.latency_p50_ms, candidate.latency_min_ms))
    return f"A call takes {median} in the median, the shortest {shortest}"


def _percent(candidate: Candidate) -> str:
    return with_unit(percent(candidate.accuracy), "%")


def _accuracy(row: Row, verdict: Verdict) -> str:
    if not known(row["low"]):  # these two were not compared
        return "undecided"
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
    if verdict is Verdict.EQUIVALENT:
        return f"as fast within {latency_margin(row['margin'])}"
    if verdict is Verdict.UNDECIDED:
        return "undecided"
    faster = verdict is Verdict.BETTER
    low, high = (1 / row["high"], 1 / row["low"]) if faster else (row["low"], row["high"])
    return f"{'faster' if faster else 'slower'} by a factor of {between(times(low), times(high))}"


def _factor(ratio: float) -> str:
    """Return how many times as large the larger of two values is."""
    return times(max(ratio, 1 / ratio))


def _count(text: Any, noun: str = "") -> str:
    """Return a number with its noun; what is no number, as other reasons have it, is returned as it is."""
    if not str(text).isdecimal():
        return str(text)
    return counted(int(text), noun) if noun else f"{int(text):,}"
