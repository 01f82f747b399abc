"""The content of the report as data; the page and report.md show it with a template each."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from resbench.data.datasets import titled
from resbench.report.caveats import Caveat, caveats
from resbench.report.comparison_tables import comparison_tables
from resbench.report.environments import Environment, environments
from resbench.report.format import counted, span
from resbench.report.latency_table import latency_table
from resbench.report.main_table import main_table
from resbench.report.recommendation import Recommendations
from resbench.report.robustness_tables import robustness_tables
from resbench.report.tables import Heading, Table


class Section(NamedTuple):
    """One environment: what was measured there and the details of its latencies."""

    environment: Environment
    measured: Table
    latencies: Table


class Host(NamedTuple):
    """One host: the most important facts of its host.json, and all of it as JSON."""

    name: str
    facts: dict[str, Any]
    json: str


class Document(NamedTuple):
    """A report.

    Attributes:
        dataset: Name of the images.
        experiment: Sizes of the experiment, as text.
        caveats: What a reader must know before trusting a figure.
        sections: One for each environment.
        comparisons: The tables that have rows.
        robustness: A table for each provider; none where there is no further test set.
        hosts: Where it was measured.
        source, sha256: Source and hash of the data.
        decided: The recommendations.
    """

    dataset: str
    experiment: dict[str, str]
    caveats: list[Caveat]
    sections: list[Section]
    comparisons: list[Table]
    robustness: list[Table]
    hosts: list[Host]
    source: str
    sha256: str
    decided: Recommendations

    def headings(self) -> list[Heading]:
        """Return every heading of the main tables once, for the list of their meanings.

        Returns:
            The headings, in their order.
        """
        return list(dict.fromkeys(heading for section in self.sections for heading in section.measured.headings))


def build_document(
    *,
    report: pd.DataFrame,
    comparisons: pd.DataFrame,
    decided: Recommendations,
    timings: Sequence[pd.DataFrame],
    hosts: Sequence[dict[str, Any]],
    summary: dict[str, Any],
    test_images: int,
    robustness: pd.DataFrame | None = None,
) -> Document:
    """Return the report of an experiment.

    Args:
        report: Rows of report.csv, see `read_report`.
        comparisons: Rows of comparisons.csv, see `read_comparisons`.
        decided: Content of recommendation.json.
        timings: The timed calls, one table for each host.json, see `read_timings`.
        hosts: Contents of host.json.
        summary: What `convert --summary` wrote about the data.
        test_images: Number of test images.
        robustness: Rows of robustness.csv, see `read_robustness`; None where there is no further test set.

    Returns:
        The report.
    """
    datasets = list(report["dataset"].unique())
    published = all(titled(name).has_references for name in datasets)
    places = environments(report, decided, timings)
    recommended = {one.choice.variant for place in places for one in place.recommendations.values()}
    return Document(
        dataset=", ".join(datasets),
        experiment={
            "variants": counted(report["variant"].nunique(), "variant"),
            "precisions": " and ".join(report["precision"].unique()),
            "protocols": " and ".join(report["protocol"].unique()),
            "train_images": span(report["train_images"], "training image"),
            "epochs": span(report["epochs"], "epoch"),
            "seeds": span(report["seeds"], "seed"),
            "test_images": counted(test_images, "test image"),
        },
        caveats=caveats(report, comparisons, hosts, summary),
        sections=[Section(place, _measured(place, published), latency_table(place)) for place in places],
        comparisons=comparison_tables(comparisons, recommended),
        robustness=[] if robustness is None else robustness_tables(robustness),
        hosts=[_host(host) for host in hosts],
        source=str(summary.get("source") or "unknown"),
        sha256=str(summary.get("sha256") or "unknown"),
        decided=decided,
    )


def _measured(place: Environment, published: bool) -> Table:
    chosen = {(*one.choice.key, *setting) for setting, one in place.recommendations.items()}
    return main_table(place.rows, place.description, chosen, published=published)


def _gpus(gpus: list[Any]) -> str:
    return ", ".join(str(gpu.get("name")) for gpu in gpus if isinstance(gpu, dict))


def _host(host: dict[str, Any]) -> Host:
    git, packages, gpus = host.get("git"), host.get("packages"), host.get("gpus")
    facts = {
        "Provider": host.get("provider"),
        "Processor": host.get("processor"),
        "Cores": host.get("cores_available"),
        "Memory": f"{host['memory_gb']} GB" if host.get("memory_gb") else None,
        "GPU": _gpus(gpus) if isinstance(gpus, list) else None,
        "System": host.get("os"),
        "Python": host.get("python"),
        "Packages": ", ".join(f"{k} {v}" for k, v in packages.items()) if isinstance(packages, dict) else None,
        "Commit": _commit(git) if isinstance(git, dict) else None,
        "Measured": _day(host.get("time_utc")),
        "Load before / after": _loads(host),
    }
    return Host(
        str(host["name"]),
        {key: value for key, value in facts.items() if value},
        json.dumps({k: v for k, v in host.items() if k != "measurements"}, indent=2, ensure_ascii=False),
    )


def _commit(git: dict[str, Any]) -> str:
    return f"{git.get('commit')}{' and uncommitted changes' if git.get('dirty') else ''}"


def _day(text: Any) -> str | None:
    try:
        return f"{datetime.fromisoformat(str(text)):%-d %B %Y, %H:%M} UTC"
    except ValueError:
        return None


def _loads(host: dict[str, Any]) -> str | None:
    loads = [host.get("load_average_before"), host.get("load_average_after")]
    if not all(isinstance(load, list) and load and isinstance(load[0], int | float) for load in loads):
        return None
    return " / ".join(f"{load[0]:.2f}" for load in loads if load) + " processes, one-minute average"
