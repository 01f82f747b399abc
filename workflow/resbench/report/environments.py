"""What may be ranked together: the figures of one provider on one host with its software."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from resbench.report.prose import provider_words
from resbench.report.recommendation import Recommendation, Recommendations

Setting = tuple[float, float]  # batch size, threads


class Environment(NamedTuple):
    """One environment and what was measured there.

    Attributes:
        label: Names it in file names and among the others, `cpu` or `cpu-2` for the second of that provider.
        title: The provider, and the host where several have it.
        provider: Name of the provider.
        name: The host with its software, in words.
        rows: Rows of report.csv.
        calls: Rows of samples.csv.
        settings: From small to large batches, few to many threads.
        recommendations: For each of them, where a model has both accuracy and latency there.
    """

    label: str
    title: str
    provider: str
    name: str
    rows: pd.DataFrame
    calls: pd.DataFrame
    settings: list[Setting]
    recommendations: dict[Setting, Recommendation]

    @property
    def words(self) -> str:
        """Return provider and host in words."""
        return f"with the {provider_words(self.provider)} provider on {self.name or 'a host without a name'}"

    def rows_at(self, setting: Setting) -> pd.DataFrame:
        return self.rows[(self.rows["batch_size"] == setting[0]) & (self.rows["threads"] == setting[1])]

    def calls_at(self, setting: Setting) -> pd.DataFrame:
        return self.calls[(self.calls["batch_size"] == setting[0]) & (self.calls["threads"] == setting[1])]


def environments(report: pd.DataFrame, decided: Recommendations, timings: Sequence[pd.DataFrame]) -> list[Environment]:
    """Return one for each provider and host in the report, in its order.

    Rows without latency name no machine: they stand with the first one of their provider.

    Args:
        report: of report.csv.
        decided: of recommendation.json.
        timings: calls as `read_timings` gives them, one table for each provider.
    """
    first = report[report["host"] != ""].groupby("provider")["host"].first().to_dict()
    names = [host or first.get(provider, "") for host, provider in zip(report["host"], report["provider"], strict=True)]
    report = report.assign(host=names)
    found: list[Environment] = []
    for (provider, name), rows in report.groupby(["provider", "host"], sort=False):
        calls = [table[(table["provider"] == provider) & (table["host"] == name)] for table in timings]
        timed = rows[["batch_size", "threads"]].dropna().drop_duplicates().sort_values(["batch_size", "threads"])
        settings = list(timed.itertuples(index=False, name=None))
        several = report.loc[report["provider"] == provider, "host"].nunique() > 1
        number = sum(other.provider == provider for other in found) + 1
        label = f"{provider}-{number}" if number > 1 else str(provider)
        title = provider_words(str(provider)) + (f", {name}" if several else "")
        environment = Environment(label, title, str(provider), str(name), rows, pd.concat(calls), settings, {})
        for setting in settings:
            if decision := decided.at(environment.provider, environment.name, setting):
                environment.recommendations[setting] = decision
        found.append(environment)
    return found
