"""A run against a rerun of itself, simulated: at least 95 % of comparisons say equivalent or undecided in every row."""

from pathlib import Path

import numpy as np
from resbench.compare.comparison import compare_runs
from resbench.compare.facts import HARDWARE
from resbench.compare.run import Model, Run
from resbench.statistics.occasions import Spread
from resbench.statistics.verdicts import Verdict

VARIANTS, SEEDS, IMAGES, ROUNDS = ("a", "b", "c"), ("0", "1", "2"), 1000, 10
BETWEEN, WITHIN = 0.08, 0.02


def simulated(random, difficulty, name):
    """A run: every training gets its own share of the images right, every occasion has its own speed."""
    hits, digests, minima = {}, {}, {}
    state = random.normal(0, BETWEEN)
    for variant in VARIANTS:
        skill = random.normal(0, 0.05, len(SEEDS))
        hits[(variant, "fp32", "cpu")] = {
            seed: difficulty[variant] + skill[i] + random.normal(0, 0.5, IMAGES) > 0 for i, seed in enumerate(SEEDS)
        }
        minima[(variant, "fp32", "cpu", 1, 1)] = np.exp(state + random.normal(0, WITHIN, ROUNDS))
        for seed in SEEDS:
            digests[Model(variant, seed, "fp32")] = {"predictions on cpu": f"{name} {variant} {seed}"}
    host = dict.fromkeys(HARDWARE)
    labels = np.zeros(IMAGES, np.uint8)
    return Run(Path(name), Path(name), labels, hits, digests, minima, {"cpu": host}, {}, [], {})


def test_a_rerun_is_called_better_or_worse_in_five_percent_of_cases_at_most():
    random = np.random.default_rng(0)
    trials, alarms = 300, 0
    for _ in range(trials):
        difficulty = {variant: random.normal(0.5, 1, IMAGES) for variant in VARIANTS}
        old, new = (simulated(random, difficulty, name) for name in ("old", "new"))
        found = compare_runs(old, new, spread=Spread(BETWEEN, 10))
        assert len(found.rows) == 2 * len(VARIANTS)
        alarms += any(row.verdict in (Verdict.BETTER, Verdict.WORSE) for row in found.rows)
    assert alarms / trials <= 0.05
