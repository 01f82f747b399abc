"""Environments: models are ranked only within one provider on one host with its software."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from resbench.report.prose import provider_title
from resbench.report.recommendation import Recommendation, Recommendations

Setting = tuple[float, float]  # batch size, threads


class Environment(NamedTuple):
    """One environment and what was measured there.

    Attributes:
        label: Name in file names: `cpu`, or `cpu-2` for the second of that provider.
        title: The provider, and the host where several have it.
        provider: Name of the provider.
        name: Name of the host with its software.
        rows: Rows of report.csv.
        calls: Rows of samples.csv.
        settings: Batch size and threads; where bundles run, theirs comes first, and the others are in ascending order.
        recommendations: One for each setting where a model has both accuracy and latency, in the order of `settings`.
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
    def description(self) -> str:
        """Return provider and host as text."""
        return f"with the {provider_title(self.provider)} provider on {self.name or 'a host without a name'}"

    def rows_at(self, setting: Setting) -> pd.DataFrame:
        """Return the rows of report.csv at a setting.

        Args:
            setting: Batch size and threads.

        Returns:
            The rows.
        """
        return self.rows[(self.rows["batch_size"] == setting[0]) & (self.rows["threads"] == setting[1])]

    def calls_at(self, setting: Setting) -> pd.DataFrame:
        """Return the timed calls at a setting.

        Args:
            setting: Batch size and threads.

        Returns:
            Rows of samples.csv.
        """
        return self.calls[(self.calls["batch_size"] == setting[0]) & (self.calls["threads"] == setting[1])]


def environments(report: pd.DataFrame, decided: Recommendations, timings: Sequence[pd.DataFrame]) -> list[Environment]:
    """Return one environment for each provider and host in the report.

    Rows without latency name no host; they belong to the first one of their provider.

    Args:
        report: Rows of report.csv.
        decided: Content of recommendation.json.
        timings: Calls as `read_timings` returns them, one table for each provider.

    Returns:
        The environments: the one where bundles run, then the others in the order of the report.
    """
    deployed = decided.deployed()
    first = report[report["host"] != ""].groupby("provider")["host"].first().to_dict()
    names = [host or first.get(provider, "") for host, provider in zip(report["host"], report["provider"], strict=True)]
    report = report.assign(host=names)
    listed: list[Environment] = []
    for (provider, name), rows in report.groupby(["provider", "host"], sort=False):
        calls = [table[(table["provider"] == provider) & (table["host"] == name)] for table in timings]
        timed = rows[["batch_size", "threads"]].dropna().drop_duplicates().sort_values(["batch_size", "threads"])
        settings: list[Setting] = list(timed.itertuples(index=False, name=None))
        if deployed and (deployed.provider, deployed.host) == (provider, name):
            settings.sort(key=lambda setting: setting != deployed.setting)
        several = report.loc[report["provider"] == provider, "host"].nunique() > 1
        number = sum(other.provider == provider for other in listed) + 1
        label = f"{provider}-{number}" if number > 1 else str(provider)
        title = provider_title(str(provider)) + (f", {name}" if several else "")
        own = {setting: one for setting in settings if (one := decided.at(str(provider), str(name), setting))}
        listed.append(Environment(label, title, str(provider), str(name), rows, pd.concat(calls), settings, own))
    return sorted(listed, key=lambda one: deployed not in one.recommendations.values())
