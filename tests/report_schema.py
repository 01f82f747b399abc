"""What report.csv and comparisons.csv may hold: the contract with those who read them."""

import numpy as np
import pandera.pandas as pa
from resbench.report.comparisons import Kind
from resbench.report.published import Reason
from resbench.statistics.verdicts import Verdict

POSITIVE = pa.Check.gt(0)
FRACTION = pa.Check.in_range(0, 1)
NAME = pa.Check.str_matches(r"^[\w.-]+$")


def column(kind, *checks, may_be_empty=True):
    return pa.Column(kind, list(checks), nullable=may_be_empty)


def ascending(*names):
    """In each row, as far as it has them."""
    return pa.Check(lambda table: table[list(names)].apply(lambda row: row.dropna().is_monotonic_increasing, axis=1))


def equivalent(table):
    return table["verdict"] == "equivalent"


def within_margin(table):
    """The verdict can be read off the interval."""
    latency, margin = table["metric"] == "latency", table["margin"]
    low, high = np.where(latency, 1 / (1 + margin), -margin), np.where(latency, 1 + margin, margin)
    return (low < table["low"]) & (table["high"] < high)


OF_REFERENCES = [Kind.PUBLISHED, Kind.TARGET]

REPORT = pa.DataFrameSchema(
    {
        **{name: column(str, NAME, may_be_empty=False) for name in ("variant", "precision", "provider")},
        **{name: column("Int64", POSITIVE) for name in ("batch_size", "threads")},
        **{name: column("Int64", POSITIVE, may_be_empty=False) for name in ("seeds", "parameters", "macs")},
        "model_bytes": column("Int64", POSITIVE),
        "accuracy_mean": column(float, FRACTION),
        "accuracy_std": column(float, FRACTION),
        "accuracy_low": column(float, FRACTION),
        "accuracy_high": column(float, FRACTION),
        "loss_mean": column(float, pa.Check.ge(0)),
        "keras_accuracy_mean": column(float, FRACTION, may_be_empty=False),
        "top1_agreement": column(float, FRACTION),
        "max_abs_diff": column(float, FRACTION),
        "published_accuracy": column(float, FRACTION),
        "published_loss": column(float, POSITIVE),
        "train_images": column("Int64", POSITIVE, may_be_empty=False),
        "epochs": column("Int64", POSITIVE, may_be_empty=False),
        "train_seconds_mean": column(float, POSITIVE, may_be_empty=False),
        **{name: column(float, POSITIVE) for name in ("load_ms", "first_ms", "latency_min_ms", "latency_p50_ms")},
        **{name: column(float, POSITIVE) for name in ("latency_p50_low_ms", "latency_p50_high_ms")},
        **{name: column(float, POSITIVE) for name in ("latency_p90_ms", "latency_p99_ms")},
        **{name: column(float, POSITIVE) for name in ("throughput_ips", "peak_rss_mb")},
        "host": column(str),
        "dataset": column(str, may_be_empty=False),
    },
    checks=[
        ascending("accuracy_low", "accuracy_mean", "accuracy_high"),
        ascending("latency_min_ms", "latency_p50_low_ms", "latency_p50_ms", "latency_p50_high_ms"),
        ascending("latency_p50_ms", "latency_p90_ms", "latency_p99_ms"),
        pa.Check(lambda table: table["accuracy_low"].isna() == table["accuracy_mean"].isna()),
        pa.Check(lambda table: (table["seeds"] > 1) | table["accuracy_std"].isna()),
    ],
    unique=["variant", "precision", "provider", "batch_size", "threads"],
    strict=True,
    ordered=True,
    coerce=True,
)

COMPARISONS = pa.DataFrameSchema(
    {
        "metric": column(str, pa.Check.isin(["accuracy", "latency"]), may_be_empty=False),
        "kind": column(str, pa.Check.isin(list(Kind)), may_be_empty=False),
        **{name: column(str, NAME, may_be_empty=False) for name in ("first", "first_precision", "second")},
        "second_precision": column(str, NAME),
        "provider": column(str, NAME, may_be_empty=False),
        **{name: column("Int64", POSITIVE) for name in ("batch_size", "threads")},
        "seeds": column("Int64", POSITIVE),
        **{name: column(float, pa.Check.ge(-2)) for name in ("estimate", "low", "high")},
        **{name: column(float, FRACTION) for name in ("p_value", "p_adjusted")},
        "margin": column(float, POSITIVE),
        "p_equivalence": column(float, FRACTION),
        "verdict": column(str, pa.Check.isin(list(Verdict)), may_be_empty=False),
        "seeds_needed": column("Int64", pa.Check.in_range(3, 100)),
        "reason": column(str, pa.Check.isin(list(Reason))),
        "found": column(str),
        "required": column(str),
    },
    checks=[
        ascending("low", "estimate", "high"),
        ascending("p_value", "p_adjusted"),
        pa.Check(lambda table: (table["metric"] == "latency") == table["batch_size"].notna()),
        pa.Check(lambda table: table["second_precision"].isna() == table["kind"].isin(OF_REFERENCES)),
        pa.Check(lambda table: table["kind"].isin(OF_REFERENCES) | (equivalent(table) == within_margin(table))),
        pa.Check(
            lambda table: (
                table["kind"].isin(OF_REFERENCES)
                | (table["verdict"].isin(["better", "worse"]) == ((table["p_adjusted"] < 0.05) & ~equivalent(table)))
            )
        ),
        pa.Check(lambda table: (table["verdict"] == "not_comparable") == table["estimate"].isna()),
        pa.Check(lambda table: table["reason"].isna() == table["found"].isna()),
        pa.Check(lambda table: (table["metric"] == "accuracy") | (table["estimate"] > 0)),
    ],
    unique=["metric", "first", "first_precision", "second", "second_precision", "provider", "batch_size", "threads"],
    strict=True,
    ordered=True,
    coerce=True,
)
