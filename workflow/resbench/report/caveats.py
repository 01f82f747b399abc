"""What a reader must know before trusting a figure, in the order of its weight."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

PUBLISHED_IMAGES = 50_000
PUBLISHED_EPOCHS = {"published": 10, "he2015": 164}
FEWEST_SEEDS = 3


class Caveat(NamedTuple):
    """grave: the numbers do not mean what one would take them for."""

    title: str
    text: str
    grave: bool


def is_cifar(dataset: str) -> bool:
    return re.match(r"CIFAR-10\b", dataset) is not None


def caveats(report: pd.DataFrame, hosts: Sequence[dict[str, Any]], protocol: str | None) -> list[Caveat]:
    """All that apply to a table and the hosts it was measured on.

    Args:
        report: of report.csv.
        hosts: of host.json, one a provider; `stable` and `warnings` are heeded where they are there.
        protocol: by which the networks were trained, None where unknown.
    """
    return [*_data(report), *_training(report, protocol), *_seeds(report), *_hosts(hosts), *_code(hosts)]


def _data(report: pd.DataFrame) -> list[Caveat]:
    names = [name for name in report["dataset"].dropna().unique() if not is_cifar(name)]
    return [
        Caveat(
            "Not CIFAR-10",
            f"The images are {name}. The figures show that every stage works and how fast; "
            "no accuracy here tells about CIFAR-10, and published values do not apply.",
            grave=True,
        )
        for name in names
    ]


def _training(report: pd.DataFrame, protocol: str | None) -> list[Caveat]:
    trained = report[["train_images", "epochs"]].dropna()
    epochs = PUBLISHED_EPOCHS.get(protocol or "published", PUBLISHED_EPOCHS["published"])
    short = trained[(trained["train_images"] < PUBLISHED_IMAGES) | (trained["epochs"] < epochs)]
    if short.empty:
        return []
    return [
        Caveat(
            "Shortened training",
            f"The networks saw {_span(short['train_images'])} training images for {_span(short['epochs'])} "
            f"{'epoch' if short['epochs'].max() == 1 else 'epochs'}; the full protocol is {PUBLISHED_IMAGES:,} for "
            f"{epochs}. Published accuracies are not comparable, and the order of the networks may change with more.",
            grave=True,
        )
    ]


def _seeds(report: pd.DataFrame) -> list[Caveat]:
    seeds = report["seeds"].dropna()
    if seeds.empty or seeds.min() >= FEWEST_SEEDS:
        return []
    number = int(seeds.min())
    text = (
        "Each network was trained once. How much its accuracy owes to chance in training is not measured: intervals "
        "and tests count the test images alone."
        if number == 1
        else f"Each network was trained {number} times: too few to know well how much training runs differ."
    )
    return [Caveat("One seed" if number == 1 else f"{number} seeds", text, grave=False)]


def _hosts(hosts: Sequence[dict[str, Any]]) -> list[Caveat]:
    found = []
    for host in hosts:
        said = host.get("warnings")
        lines = [str(line) for line in said] if isinstance(said, list) else []
        if host.get("stable") is False:
            text = "Repetitions differ by more than a quiet machine would make them. " + "; ".join(lines)
            found.append(Caveat(f"Unstable timing on {host['name']}", f"{text.strip()}", grave=True))
        elif lines:
            found.append(Caveat(f"Timing on {host['name']}", f"{'; '.join(lines)}.", grave=False))
    names = list(dict.fromkeys(str(host["name"]) for host in hosts))
    if len(names) > 1:
        text = f"Latencies were taken on {' and '.join(names)}. Each has its own answer; they are not ranked together."
        found.append(Caveat("Unlike hosts", text, grave=False))
    return found


def _code(hosts: Sequence[dict[str, Any]]) -> list[Caveat]:
    states = [host.get("git") for host in hosts]
    if not any(isinstance(state, dict) and state.get("dirty") for state in states):
        return []
    text = "The code had changes that no commit holds, so that the commit named below does not reproduce it exactly."
    return [Caveat("Uncommitted code", text, grave=False)]


def _span(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
