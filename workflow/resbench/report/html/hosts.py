"""What may be ranked together: the figures of one provider on one machine."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from resbench.report.recommendation import Answer, answer, candidates_of, evidence_of
from resbench.runtime.providers import PROVIDERS

Setting = tuple[float, float]  # batch size, threads


class Host(NamedTuple):
    """rows: of report.csv; calls: of samples.csv; settings: from small to large batches, few to many threads.

    answers: for each of them, where a model has both accuracy and latency there.
    """

    provider: str
    name: str
    rows: pd.DataFrame
    calls: pd.DataFrame
    settings: list[Setting]
    answers: dict[Setting, Answer]

    def only_threads(self) -> str:
        """The number of threads, in words, where all settings share it."""
        found = {threads for _, threads in self.settings}
        return f", on {thread_words(found.pop())}" if len(found) == 1 else ""

    def rows_at(self, setting: Setting) -> pd.DataFrame:
        return self.rows[(self.rows["batch_size"] == setting[0]) & (self.rows["threads"] == setting[1])]

    def calls_at(self, setting: Setting) -> pd.DataFrame:
        return self.calls[(self.calls["batch_size"] == setting[0]) & (self.calls["threads"] == setting[1])]


def hosts_of(report: pd.DataFrame, comparisons: pd.DataFrame, timings: Sequence[pd.DataFrame]) -> list[Host]:
    """One for each provider and machine in the report, in its order.

    Rows without latency name no machine: they stand with the first one of their provider.

    Args:
        timings: calls as `read_timings` gives them, one table for each provider.
    """
    first = report[report["host"] != ""].groupby("provider")["host"].first().to_dict()
    names = [host or first.get(provider, "") for host, provider in zip(report["host"], report["provider"], strict=True)]
    report = report.assign(host=names)
    hosts = []
    for (provider, name), rows in report.groupby(["provider", "host"], sort=False):
        calls = [table[(table["provider"] == provider) & (table["host"] == name)] for table in timings]
        timed = rows[["batch_size", "threads"]].dropna().drop_duplicates().sort_values(["batch_size", "threads"])
        settings = list(timed.itertuples(index=False, name=None))
        host = Host(str(provider), str(name), rows, pd.concat(calls), settings, {})
        for setting in settings:
            found = answer(candidates_of(host.rows_at(setting)), evidence_of(comparisons, host.provider, *setting))
            if found:
                host.answers[setting] = found
        hosts.append(host)
    return hosts


def provider_words(provider: str) -> str:
    """As its makers write it."""
    return PROVIDERS[provider].title if provider in PROVIDERS else provider


def setting_words(setting: Setting) -> str:
    """(1, 1) → one image at a time on 1 thread; (32, 2) → batches of 32 on 2 threads."""
    batch_size, threads = setting
    images = "one image at a time" if batch_size == 1 else f"batches of {batch_size:.0f}"
    return f"{images} on {thread_words(threads)}"


def thread_words(number: float) -> str:
    """1 → 1 thread; 2 → 2 threads."""
    return f"{number:.0f} {'thread' if number == 1 else 'threads'}"
