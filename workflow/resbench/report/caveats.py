"""Caveats: what a reader must know before trusting a figure, the most important first."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from resbench.data.datasets import titled
from resbench.report.format import sentence, span
from resbench.report.prose import describe_departure, provider_title
from resbench.statistics.verdicts import Verdict
from resbench.training.protocols import PROTOCOLS

FEWEST_SEEDS = 3


class Caveat(NamedTuple):
    """Something that a reader must know before trusting a figure.

    Attributes:
        title: Its title.
        text: Sentences.
        grave: Whether the numbers do not mean what a reader would assume.
    """

    title: str
    text: str
    grave: bool


def caveats(
    report: pd.DataFrame, comparisons: pd.DataFrame, hosts: Sequence[dict[str, Any]], summary: dict[str, Any]
) -> list[Caveat]:
    """Return all caveats that apply to a report, the hosts it was measured on and its images.

    Args:
        report: Rows of report.csv.
        comparisons: Rows of comparisons.csv.
        hosts: Contents of host.json; `stable` and `warnings` are considered where they are present.
        summary: What `convert --summary` wrote about the images; an old one does not count `test_images_in_train`.

    Returns:
        The caveats, the most important first.
    """
    # Either of these already says that published values do not apply.
    departures = [*_data(report), *_training(report)] or _published(comparisons)
    return [
        *departures,
        *_repeated(summary),
        *_unevaluated(report),
        *_seeds(report),
        *_hosts(hosts),
        *_code(hosts),
    ]


def _data(report: pd.DataFrame) -> list[Caveat]:
    names = [name for name in report["dataset"].dropna().unique() if not titled(name).has_references]
    return [
        Caveat(
            "Not CIFAR-10",
            f"The images are {name}. The figures show that every stage works and how fast it is; "
            "the accuracies are not those of CIFAR-10, and published values do not apply.",
            grave=True,
        )
        for name in names
    ]


def _training(report: pd.DataFrame) -> list[Caveat]:
    trained = report[["protocol", "train_images", "epochs"]].drop_duplicates()
    short = [
        row
        for row in trained.to_dict("records")
        if (full := PROTOCOLS.get(row["protocol"]))
        and (row["train_images"] < full.train_images or row["epochs"] < full.epochs)
    ]
    if not short:
        return []
    wanted = "; ".join(
        f"the full run of {name} is {PROTOCOLS[name].train_images:,} for {PROTOCOLS[name].epochs}"
        for name in dict.fromkeys(row["protocol"] for row in short)
    )
    return [
        Caveat(
            "Shortened training",
            f"The models were trained on {span((row['train_images'] for row in short), 'image')} "
            f"for {span((row['epochs'] for row in short), 'epoch')}; {wanted}. "
            "Published accuracies are not comparable, and with more training the order may change.",
            grave=True,
        )
    ]


def _repeated(summary: dict[str, Any]) -> list[Caveat]:
    repeated, tested = summary.get("test_images_in_train"), summary.get("test_images")
    if not (isinstance(repeated, int) and isinstance(tested, int) and repeated > 0):
        return []
    text = (
        f"{repeated:,} of {tested:,} test images are, pixel for pixel, training images as well. A network may know "
        "them by heart, so that on new images accuracy may be lower. Remove them from one of the two."
    )
    return [Caveat("Test images in the training data", text, grave=True)]


def _published(comparisons: pd.DataFrame) -> list[Caveat]:
    variants: dict[str, list[str]] = {}
    for row in comparisons[comparisons["verdict"] == Verdict.NOT_COMPARABLE].to_dict("records"):
        variants.setdefault(describe_departure(row), []).append(row["first"])
    if not variants:
        return []
    reasons = [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in variants.items()]
    return [Caveat("Published values are not comparable", f"For {'; '.join(reasons)}.", grave=True)]


def _unevaluated(report: pd.DataFrame) -> list[Caveat]:
    """Return one caveat for each provider that models were timed with, on another machine, but never evaluated with."""
    listed = []
    for provider, rows in report.groupby("provider", sort=False):
        if rows["accuracy_mean"].isna().all():
            places = " and ".join(rows["host"].dropna().unique())
            text = (
                f"The models were timed with it on {places}, but not evaluated with it here: accuracy, comparisons and "
                "a recommendation are missing there. Add it to benchmark.providers, or give the predictions that "
                "`resbench measure` wrote to `resbench collate --predictions`."
            )
            listed.append(Caveat(f"No accuracy with the {provider_title(str(provider))} provider", text, grave=False))
    return listed


def _seeds(report: pd.DataFrame) -> list[Caveat]:
    seeds = report["seeds"].dropna()
    if seeds.empty or seeds.min() >= FEWEST_SEEDS:
        return []
    number = int(seeds.min())
    who, whose = ("Each variant was", "its") if seeds.nunique() == 1 else ("Some variants were", "their")
    text = (
        f"{who} trained once. How much {whose} accuracy varies with the seed is not measured: intervals and "
        "tests consider only the choice of test images."
        if number == 1
        else f"{who} trained {number} times: too few to know precisely how much training runs differ."
    )
    return [Caveat("One seed" if number == 1 else f"{number} seeds", text, grave=False)]


def _hosts(hosts: Sequence[dict[str, Any]]) -> list[Caveat]:
    listed = []
    names = [str(host["name"]) for host in hosts]
    for host, name in zip(hosts, names, strict=True):
        place = host.get("environment", name) if names.count(name) > 1 else name
        said = host.get("warnings")
        lines = [str(line) for line in said] if isinstance(said, list) else []
        if host.get("stable") is False:
            lines.insert(0, "rounds differ by more than on an idle machine, or warm-up did not end")
            listed.append(Caveat(f"Unstable timing on {place}", sentence(lines), grave=True))
        elif lines:
            listed.append(Caveat(f"Timing on {place}", sentence(lines), grave=False))
    if len(distinct := list(dict.fromkeys(names))) > 1:
        text = f"Latencies were taken on {' and '.join(distinct)}. They are not ranked together."
        listed.append(Caveat("Several hosts or devices", text, grave=False))
    return listed


def _code(hosts: Sequence[dict[str, Any]]) -> list[Caveat]:
    states = [host.get("git") for host in hosts]
    if not any(isinstance(state, dict) and state.get("dirty") for state in states):
        return []
    text = "The code had uncommitted changes: the commit recorded with the host does not reproduce it exactly."
    return [Caveat("Uncommitted code", text, grave=False)]
