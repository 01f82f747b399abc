"""The report's files against their schemas, which in turn refuse what breaks the contract."""

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors
from report_files import Results, calls
from resbench.report.schema import COMPARISONS, REPORT


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Three networks and seeds, two precisions and providers; what was timed and what was evaluated differ."""
    results = Results(tmp_path_factory.mktemp("report"))
    rng = np.random.default_rng(0)
    for variant, skill in (("pool", 0.9), ("basic", 0.6), ("deep", 0.88)):
        for seed in range(3):
            right = rng.random(100) < skill
            results.model(variant, seed, right=right)
            results.predict(variant, seed, right=right, provider="cuda")
            if variant != "deep":
                results.predict(variant, seed, right=right & (rng.random(100) < 0.99), precision="int8")
    timed = [
        line
        for number in range(1, 7)
        for variant, precision, ms in (("pool", "fp32", 3), ("pool", "int8", 1), ("basic", "fp32", 3.1))
        for line in calls(variant, rng.gamma(9, ms / 9, 100), number=number, precision=precision)
    ]
    results.time(timed)
    results.time(calls("deep", [1.0, 2.0], provider="tensorrt"))
    results.collate()
    out = results.folder / "out"
    return pd.read_csv(out / "report.csv"), pd.read_csv(out / "comparisons.csv")


def test_both_files_keep_their_contract(tables):
    report, comparisons = tables
    assert len(REPORT.validate(report)) == 9  # 3 × cpu, 3 × cuda, 2 × int8, 1 × tensorrt
    # Pairs: 3 on each of two providers at fp32, 1 at int8; int8 against fp32 2, and against other networks 4; published
    # 4.  Timed: 2 pairs, and 1 of different networks in different precisions.
    assert len(COMPARISONS.validate(comparisons)) == 17 + 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.drop(columns="host"),
        lambda table: table.assign(extra=1),
        lambda table: table[table.columns[::-1]],
        lambda table: table.assign(accuracy_mean=73.0),
        lambda table: table.assign(accuracy_high=0.0),
        lambda table: table.assign(latency_p90_ms=0.001),
        lambda table: table.assign(latency_p50_ms=0.0),
        lambda table: table.assign(seeds=1),
        lambda table: table.assign(accuracy_low=None),
        lambda table: pd.concat([table, table], ignore_index=True),
    ],
)
def test_the_schema_refuses_a_broken_report(tables, spoil):
    with pytest.raises((SchemaError, SchemaErrors)):
        REPORT.validate(spoil(tables[0]))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.assign(p_adjusted=0.0),
        lambda table: table.assign(verdict="better"),
        lambda table: table.assign(verdict="equivalent"),
        lambda table: table.assign(verdict="not distinguishable"),
        lambda table: table.assign(high=-1.0),
        lambda table: table.assign(second_precision="fp32"),
        lambda table: table.assign(threads=0),
    ],
)
def test_the_schema_refuses_broken_comparisons(tables, spoil):
    with pytest.raises((SchemaError, SchemaErrors)):
        COMPARISONS.validate(spoil(tables[1]))
