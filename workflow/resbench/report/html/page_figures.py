"""The charts of the page, with their texts."""

from collections.abc import Sequence

import pandas as pd

from resbench.benchmark.predictions import Predictions
from resbench.report.environments import Environment, Setting
from resbench.report.html import figures
from resbench.report.html.mistakes import confusion_matrix
from resbench.report.html.page_inputs import PageInputs
from resbench.report.html.rendering import Figure
from resbench.report.html.theme import FEATURED, Palette
from resbench.report.prose import provider_title, setting_text

PANELS = 4  # settings of one environment that have a chart; the table has all


def page_figures(
    inputs: PageInputs, places: Sequence[Environment], shown: Sequence[Predictions]
) -> dict[str, list[Figure]]:
    """Return the charts of each part of the page: tradeoff, learning, latency, precision, confusion.

    Args:
        inputs: Everything that the page shows.
        places: The environments.
        shown: Predictions of the model whose mistakes are shown, one for each seed.

    Returns:
        The charts, by part.
    """
    palette = Palette.of(_by_weight(inputs.report, places))
    return {
        "tradeoff": [
            _tradeoff(place, setting, palette) for place in places for setting in list(place.recommendations)[:PANELS]
        ],
        "learning": [_learning(inputs.histories, metric, palette) for metric in ("accuracy", "loss")],
        "latency": [
            _latency(place, setting, palette)
            for place in places
            for setting in place.settings[:PANELS]
            if not place.calls_at(setting).empty
        ],
        "precision": _precision(inputs, places, palette),
        "confusion": [_confusion(shown, inputs.test.classes.tolist())] if shown else [],
    }


def _by_weight(report: pd.DataFrame, places: Sequence[Environment]) -> list[str]:
    """Return all variants: those that a recommendation names, then by accuracy; a few keep the order of the report."""
    variants = list(report["variant"].unique())
    if len(variants) <= FEATURED:
        return variants
    named = [model.variant for place in places for one in place.recommendations.values() for model in one.named()]
    best = report.groupby("variant")["accuracy_mean"].max().sort_values(ascending=False)
    return list(dict.fromkeys([*named, *best.index]))


def _where(place: Environment, setting: Setting) -> str:
    text = f"{setting_text(setting)}, {place.title}"
    return text[0].upper() + text[1:]


def _name(kind: str, place: Environment, setting: Setting) -> str:
    return f"{kind}-{place.label}-batch{setting[0]:.0f}-threads{setting[1]:.0f}"


def _tradeoff(place: Environment, setting: Setting, palette: Palette) -> Figure:
    rows = place.rows_at(setting).dropna(subset=["accuracy_mean", "latency_p50_ms"])
    front = rows[figures.pareto(rows["latency_p50_ms"].to_numpy(), rows["accuracy_mean"].to_numpy())]
    names = ", ".join((front.sort_values("latency_p50_ms")[["variant", "precision"]]).agg(" ".join, axis=1))
    return Figure(
        _name("tradeoff", place, setting),
        "Accuracy against latency",
        _where(place, setting),
        "Up and to the left is better. No model beats those on the dotted line in both. "
        "Bars: 95 % intervals. Filled: fp32; open: other precisions.",
        f"Scatter plot of {len(rows)} models. On the front, from the fastest to the most accurate: {names}.",
        figures.tradeoff(rows, palette),
    )


def _learning(histories: pd.DataFrame, metric: str, palette: Palette) -> Figure:
    held_out = " Dashed: held-out images." if histories[f"validation_{metric}"].notna().any() else ""
    title = "Accuracy while training" if metric == "accuracy" else "Loss while training"
    return Figure(
        f"learning-{metric}",
        title,
        "",
        "Lines: training images, mean over seeds; bands: lowest to highest seed. "
        f"Large marks: the test images, measured once, at the end.{held_out}",
        f"{title}: curves of {histories['variant'].nunique()} variants over {histories['epoch'].max():.0f} epochs.",
        figures.learning(histories, palette, metric),
    )


def _latency(place: Environment, setting: Setting, palette: Palette) -> Figure:
    calls = place.calls_at(setting)
    drawn = figures.drawn(calls, palette)
    shown, of_all = drawn["variant"].nunique(), calls["variant"].nunique()
    part = f" Only variants with a colour of their own: {shown} of {of_all}." if shown < of_all else ""
    return Figure(
        _name("latency", place, setting),
        "Latency",
        _where(place, setting),
        "Thin ticks: every hundredth of the calls, from the 1st to the 99th; thick tick: the median; "
        f"triangles: the median of each round, in a process of its own.{part}",
        f"Distribution of {len(drawn):,} timed calls, a row for each model, the fastest first.{part}",
        figures.latencies(drawn, palette),
    )


def _precision(inputs: PageInputs, places: Sequence[Environment], palette: Palette) -> list[Figure]:
    charts = []
    for place in places:
        changes = precision_changes([a for a in inputs.predictions if a.provider == place.provider])
        if place.label == place.provider and not changes.empty:  # once, whatever the host
            charts.append(
                Figure(
                    f"precision-accuracy-{place.provider}",
                    "Accuracy by precision",
                    provider_title(place.provider),
                    "Circles: one for each seed, on the same test images; tick: their mean.",
                    f"Change of accuracy against fp32 of {len(changes)} models.",
                    figures.accuracy_changes(changes, palette),
                )
            )
        gains = precision_gains(place.rows_at(place.settings[0])) if place.settings else pd.DataFrame()
        if not gains.empty:
            charts.append(
                Figure(
                    f"precision-latency-{place.label}",
                    "Latency by precision",
                    _where(place, place.settings[0]),
                    "The median latency of fp32 divided by that of the other precision: above 1 is faster.",
                    f"Ratio of latencies against fp32 of {len(gains)} models.",
                    figures.speedups(gains, palette),
                )
            )
    return charts


def precision_changes(predictions: Sequence[Predictions]) -> pd.DataFrame:
    """Return the change of accuracy compared with the same weights in fp32.

    Args:
        predictions: Predictions of all models on one provider.

    Returns:
        Columns variant, precision, seed, change (a fraction).
    """
    accuracy = {(a.variant, a.seed, a.precision): float(a.correct.mean()) for a in predictions}
    rows = [
        (variant, precision, seed, value - accuracy[variant, seed, "fp32"])
        for (variant, seed, precision), value in accuracy.items()
        if precision != "fp32" and (variant, seed, "fp32") in accuracy
    ]
    return pd.DataFrame(rows, columns=["variant", "precision", "seed", "change"])


def precision_gains(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the speed-up over fp32.

    Args:
        rows: Rows of report.csv at one setting.

    Returns:
        Columns variant, precision, ratio.
    """
    measured = zip(rows["variant"], rows["precision"], rows["latency_p50_ms"], strict=True)
    latency = {(variant, precision): value for variant, precision, value in measured if value > 0}
    ratios = [
        (variant, precision, latency[variant, "fp32"] / value)
        for (variant, precision), value in latency.items()
        if precision != "fp32" and (variant, "fp32") in latency
    ]
    return pd.DataFrame(ratios, columns=["variant", "precision", "ratio"])


def _confusion(shown: Sequence[Predictions], classes: list[str]) -> Figure:
    name = f"{shown[0].variant} {shown[0].precision}".strip()
    return Figure(
        "confusion",
        f"Confusion matrix of {name}",
        provider_title(shown[0].provider),
        f"Of the test images of each class (row), the percentage predicted as each class (column), over "
        f"{len(shown)} {'seed' if len(shown) == 1 else 'seeds'}.",
        f"Confusion matrix of {len(classes)} classes; the pairs confused most are listed below.",
        figures.confusion(confusion_matrix(shown), classes),
    )
