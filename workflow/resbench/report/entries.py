"""Entries: the measurements of each row of the report."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from resbench.report.inputs import Evaluation, Inputs, Parity, evaluations_by_model, timed_calls
from resbench.runtime.providers import BASE_PROVIDER
from resbench.statistics.accuracy import accuracy_interval
from resbench.statistics.latency import SettingSummary, summarize_setting


class Accuracy(NamedTuple):
    """Test accuracy over seeds as fractions: mean, sample standard deviation (None for one seed), 95 % interval."""

    mean: float
    deviation: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Entry:
    """One variant in one precision on one provider, at one setting where it was timed.

    Attributes:
        batch_size, threads: The setting; None where it was evaluated and not timed.
        dataset: Name of the images.
        exports: How each seed was trained and exported; never empty.
        evaluations: Results of each seed on the test images; empty where it was timed and not evaluated.
        calls: The timed calls, rows of samples.csv; None where it was not timed.
    """

    variant: str
    precision: str
    provider: str
    batch_size: int | None
    threads: int | None
    dataset: str
    exports: list[Parity]
    evaluations: list[Evaluation]
    calls: pd.DataFrame | None

    @cached_property
    def accuracy(self) -> Accuracy | None:
        """Return the accuracy over seeds and test images, None where it was not evaluated."""
        if not self.evaluations:
            return None
        correct = np.stack([evaluation.correct for evaluation in self.evaluations])
        deviation = float(correct.mean(axis=1).std(ddof=1)) if len(self.evaluations) > 1 else None
        return Accuracy(float(correct.mean()), deviation, *accuracy_interval(correct))

    @cached_property
    def latency(self) -> SettingSummary | None:
        """Return the summary of the timed calls, None where it was not timed."""
        return None if self.calls is None else summarize_setting(self.calls)

    @property
    def files(self) -> list[Parity] | list[Evaluation]:
        """Return the records with the sizes of this precision's files: the fp32 file is the one that was exported."""
        return self.exports if self.precision == "fp32" else self.evaluations

    @property
    def compared(self) -> list[Parity] | list[Evaluation]:
        """Return the comparisons with a reference: fp32 with Keras at export, all others with that fp32."""
        exported = self.precision == "fp32" and self.provider == BASE_PROVIDER.name
        return self.exports if exported else self.evaluations


def entries(inputs: Inputs, dataset: str) -> list[Entry]:
    """Return one entry for each variant × precision × provider × batch size × threads, in the order of the report.

    A model that was evaluated and not timed has an entry without setting; one that was timed and not evaluated has an
    entry without evaluations. fp32 comes first; variants come in the order of the parity files.

    Args:
        inputs: Results of all stages.
        dataset: Name of the images.

    Returns:
        The entries.
    """
    timed = {key: calls for table in inputs.timings for key, calls in timed_calls(table)}
    evaluated = evaluations_by_model(inputs)
    untimed = set(evaluated) - {key[:3] for key in timed}
    variants = list(dict.fromkeys(export.variant for export in inputs.parity))
    keys = [*timed, *((*key, None, None, None) for key in untimed)]
    keys.sort(key=lambda key: (key[1] != "fp32", key[1], key[2], variants.index(key[0]), key[3] or 0, key[4] or 0))
    listed = []
    for key in keys:
        evaluations = evaluated.get(key[:3], {})
        exports = [p for p in inputs.parity if p.variant == key[0] and (p.seed in evaluations or not evaluations)]
        variant, precision, provider, batch_size, threads, _ = key
        setting = batch_size, threads
        results = list(evaluations.values())
        listed.append(Entry(variant, precision, provider, *setting, dataset, exports, results, timed.get(key)))
    return listed
