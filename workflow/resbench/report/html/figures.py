"""The charts, as Vega-Lite specifications that fit any width."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from resbench.report.format import percent, shortened, significant, times
from resbench.report.html.theme import COLOURS, REST, SHORT_LABEL, THEME, Palette

Spec = dict[str, Any]

LABELLED = 8  # points on the front that have a name; colour and shape identify the rest
ROWS = 24  # a chart with a row for each model has at most these; of more, only the featured variants
MODELS = alt.Axis(grid=False, labelLimit=180, labelExpr=SHORT_LABEL)
QUANTILES = np.linspace(0.01, 0.99, 99)


def tradeoff(rows: pd.DataFrame, palette: Palette) -> Spec:
    """Draw accuracy against latency, each with its interval, and the front: models that no other beats in both.

    Args:
        rows: Rows of report.csv, of one host and setting, all with accuracy and latency.
        palette: Colours and shapes of the variants.

    Returns:
        The chart.
    """
    points = _points(rows, palette)
    points["front"] = pareto(points["latency"].to_numpy(), points["accuracy"].to_numpy())
    front = points[points["front"]].sort_values("latency")
    log = points["latency"].max() > 10 * points["latency"].min()
    scale = alt.Scale(type="log", nice=False, padding=30) if log else alt.Scale(zero=True, nice=True)
    title = "Median latency of a call (ms)"
    x = alt.X("latency:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6))
    y = alt.Y(
        "accuracy:Q", title="Test accuracy (%)", scale=alt.Scale(zero=False, padding=24), axis=alt.Axis(tickCount=6)
    )
    shown = ["model", *[name for name in points.columns if name[0].isupper()]]
    ranges: dict[str, Any] = {
        "accuracy": {"x": x, "y": alt.Y("accuracy_low:Q", title="Test accuracy (%)"), "y2": "accuracy_high:Q"},
        "latency": {"x": alt.X("latency_low:Q", title=title), "x2": "latency_high:Q", "y": y},
    }
    layers = [
        alt.Chart(front[["latency", "accuracy"]])
        .mark_line(interpolate="step-after", strokeDash=[2, 3], strokeWidth=1.5, color="currentColor", opacity=0.5)
        .encode(x=x, y=y)
        .properties(name="front")
    ]
    for name, axes in ranges.items():
        bounded = points.dropna(subset=[f"{name}_low"])
        if not bounded.empty:
            bars = alt.Chart(bounded).mark_rule(strokeWidth=1.5, opacity=0.7)
            layers.append(bars.encode(**axes, color=palette.colour()).properties(name=f"{name}_bars"))
    for name, part in (("filled", points[points["filled"]]), ("open", points[~points["filled"]])):
        if not part.empty:
            dots = alt.Chart(part).mark_point(size=90, strokeWidth=2, filled=name == "filled", opacity=1)
            layers.append(
                dots.encode(x=x, y=y, color=palette.colour(), shape=palette.shape(), tooltip=shown).properties(
                    name=f"{name}_points"
                )
            )
    labelled = front.head(LABELLED).reset_index(drop=True)
    above = labelled.index % 2 == 0  # so that neighbouring names do not overlap
    left = labelled["latency"] > 0.7 * points["latency"].max()
    for (up, back), part in labelled.groupby([above, left]):
        named = part[["latency", "accuracy"]].assign(model=part["model"].map(shortened))
        text = alt.Chart(named).mark_text(align="right" if back else "left", dx=-8 if back else 8, dy=-10 if up else 12)
        layers.append(text.encode(x=x, y=y, text="model:N").properties(name=f"names_{len(layers)}"))
    return _spec(alt.layer(*layers).properties(height=340))


def _points(rows: pd.DataFrame, palette: Palette) -> pd.DataFrame:
    """Return what points are drawn from and, in columns with a capital, what is shown of one that is pointed at."""
    return pd.DataFrame(
        {
            "group": rows["variant"].map(palette.group),
            "model": rows["variant"] + " " + rows["precision"],
            "filled": rows["precision"] == "fp32",
            "accuracy": 100 * rows["accuracy_mean"],
            "accuracy_low": 100 * rows["accuracy_low"],
            "accuracy_high": 100 * rows["accuracy_high"],
            "latency": rows["latency_p50_ms"],
            "latency_low": rows["latency_p50_low_ms"],
            "latency_high": rows["latency_p50_high_ms"],
            "Accuracy": rows["accuracy_mean"].map(percent) + " %" + _between(rows, "accuracy", percent),
            "Loss": rows["loss_mean"].map(significant) + " nats",
            "Latency (p50)": rows["latency_p50_ms"].map(significant) + " ms",
            "Images per second": rows["throughput_ips"].map(significant),
            "Parameters": rows["parameters"].map("{:,.0f}".format),
            "Multiply-adds": (rows["macs"] / 1e6).map(significant) + " M",
        }
    ).reset_index(drop=True)


def pareto(latency: NDArray[np.float64], accuracy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points no other point beats: none is as fast and more accurate, or as accurate and faster.

    Args:
        latency: Shape (N,).
        accuracy: Shape (N,).

    Returns:
        bool (N,).
    """
    faster = latency[:, None] < latency[None, :]
    better = accuracy[:, None] > accuracy[None, :]
    beaten = (faster & (accuracy[:, None] >= accuracy[None, :])) | (better & (latency[:, None] <= latency[None, :]))
    return np.logical_not(beaten.any(axis=0))


def learning(histories: pd.DataFrame, palette: Palette, metric: str) -> Spec:
    """Draw the mean over seeds by epoch, a band from the lowest to the highest seed, and the final test values.

    Args:
        histories: Rows of all history.csv, with `variant` and `seed`.
        palette: Colours and shapes of the variants.
        metric: `accuracy` or `loss`.

    Returns:
        The chart.
    """
    factor, title = (100, "Accuracy (%)") if metric == "accuracy" else (1, "Loss (nats)")
    parts = []
    for kind, column in (("training", metric), ("held out", f"validation_{metric}"), ("test", f"test_{metric}")):
        values = histories[["variant", "epoch", column]].dropna()
        seeds = values.groupby(["variant", "epoch"])[column].agg(["mean", "min", "max"]).mul(factor).reset_index()
        parts.append(seeds.assign(kind=kind))
    curves = pd.concat(parts, ignore_index=True)
    curves["group"] = curves["variant"].map(palette.group)
    curves = curves.sort_values("group", key=lambda groups: groups != REST, kind="stable")  # behind the rest
    epochs = int(curves["epoch"].max())
    ticks = {"values": list(range(1, epochs + 1))} if epochs <= 10 else {"tickMinStep": 1}
    axis = alt.Axis(format="d", grid=False, **ticks)
    x = alt.X("epoch:Q", title="Epoch", axis=axis, scale=alt.Scale(domain=[1, max(epochs, 2)], nice=False))
    y = alt.Y("mean:Q", title=title, scale=alt.Scale(zero=False))
    low = alt.Y("min:Q", title=title, scale=alt.Scale(zero=False))
    colour, shape = palette.colour(), palette.shape()
    dash = alt.StrokeDash(
        "kind:N", scale=alt.Scale(domain=["training", "held out"], range=[[1, 0], [5, 4]]), legend=None
    )
    detail = ["variant:N", "kind:N"]
    shown = [
        alt.Tooltip("variant"),
        alt.Tooltip("kind", title="images"),
        alt.Tooltip("epoch"),
        *(alt.Tooltip(name, format=".4~g") for name in ("mean", "min", "max")),
    ]
    faint = alt.condition(alt.datum.group == REST, alt.value(0.3), alt.value(1))
    lines = alt.Chart(curves[curves["kind"] != "test"])
    ends = alt.Chart(curves[curves["kind"] == "test"])
    layers = [
        lines.mark_area(opacity=0.2)
        .encode(x=x, y=low, y2="max:Q", color=colour, detail=detail)
        .properties(name="bands"),
        lines.mark_line(strokeWidth=2)
        .encode(x=x, y=y, color=colour, strokeDash=dash, detail=detail, opacity=faint)
        .properties(name="curves"),
        # Points for the pointer; many visible ones would hide the line.
        lines.mark_point(size=24, filled=True)
        .encode(x=x, y=y, color=colour, tooltip=shown, opacity=faint if epochs <= 20 else alt.value(0))
        .properties(name="epochs"),
        ends.mark_rule(strokeWidth=1.5).encode(x=x, y=low, y2="max:Q", color=colour).properties(name="test_ranges"),
        ends.mark_point(size=90, strokeWidth=2)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=shown)
        .properties(name="tests"),
    ]
    return _spec(alt.layer(*layers).properties(height=280))


def drawn(calls: pd.DataFrame, palette: Palette) -> pd.DataFrame:
    """Return the calls of the models that have a row in `latencies`.

    Args:
        calls: Rows of samples.csv, of one host and setting.
        palette: Colours and shapes of the variants.

    Returns:
        All rows; where they are of more than `ROWS` models, those of the featured variants.
    """
    models = calls[["variant", "precision"]].drop_duplicates()
    return calls[calls["variant"].isin(palette.featured)] if len(models) > ROWS else calls


def latencies(calls: pd.DataFrame, palette: Palette) -> Spec:
    """Draw one row for each model, the fastest first: every hundredth of its calls, its median, and that of each round.

    Args:
        calls: Rows of samples.csv, of one host and setting, see `drawn`.
        palette: Colours and shapes of the variants.

    Returns:
        The chart.
    """
    texts = calls[["variant", "precision"]].astype(str)
    calls = calls.assign(variant=texts["variant"], model=texts["variant"] + " " + texts["precision"])
    medians = calls.groupby(["model", "variant"])["latency_ms"].median().sort_values().reset_index()
    order = medians["model"].tolist()
    groups = dict(zip(medians["model"], medians["variant"].map(palette.group), strict=True))
    spread = [
        {"model": model, "group": groups[model], "latency": float(value)}
        for model in order
        for value in np.quantile(calls.loc[calls["model"] == model, "latency_ms"], QUANTILES)
    ]
    rounds = calls.groupby(["model", "round"])["latency_ms"].median().reset_index()
    rounds = rounds.rename(columns={"latency_ms": "latency"}).assign(group=rounds["model"].map(groups))
    totals = medians.rename(columns={"latency_ms": "latency"}).assign(group=medians["model"].map(groups))
    totals["Median"] = totals["latency"].map(significant) + " ms"
    x = alt.X("latency:Q", title="Latency of a call (ms)", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=6))
    y = alt.Y("model:N", title=None, sort=order, axis=MODELS)
    colour = palette.colour(legend=False)
    row = {"x": x, "y": y, "color": colour}
    layers = [
        alt.Chart(pd.DataFrame(spread))
        .mark_tick(thickness=1, size=16, opacity=0.45)
        .encode(**row)
        .properties(name="calls"),
        alt.Chart(rounds)
        .mark_point(size=24, strokeWidth=1, opacity=0.9, yOffset=12, shape="triangle-up")
        .encode(**row, tooltip=["model", "round", alt.Tooltip("latency", title="median (ms)", format=".3~s")])
        .properties(name="rounds"),
        alt.Chart(totals)
        .mark_tick(thickness=3, size=22)
        .encode(**row, tooltip=["model", "Median"])
        .properties(name="medians"),
    ]
    return _spec(alt.layer(*layers).properties(height=36 * len(order)))


def accuracy_changes(changes: pd.DataFrame, palette: Palette) -> Spec:
    """Draw how a precision changes the accuracy of fp32: each seed's change in percentage points, and their mean.

    Args:
        changes: Columns variant, precision, seed, change (a fraction).
        palette: Colours and shapes of the variants.

    Returns:
        The chart.
    """
    changes = changes.assign(group=changes["variant"].map(palette.group), points=100 * changes["change"])
    changes["model"] = changes["variant"] + " " + changes["precision"]
    means = changes.groupby(["model", "group"], sort=False)["points"].mean().reset_index()
    x = alt.X("points:Q", title="Change of test accuracy (points)", scale=alt.Scale(zero=True, nice=True))
    y = alt.Y(
        "model:N",
        title=None,
        sort=means["model"].tolist(),
        axis=MODELS,
    )
    row = {"x": x, "y": y, "color": palette.colour(legend=False)}
    shown = [alt.Tooltip("model"), alt.Tooltip("points", title="change (points)", format="+.2f")]
    layers = [
        alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="currentColor", opacity=0.5).encode(x="zero:Q"),
        alt.Chart(means).mark_tick(thickness=3, size=20).encode(**row, tooltip=shown).properties(name="means"),
        alt.Chart(changes)
        .mark_point(size=50, strokeWidth=1.5)
        .encode(**row, tooltip=[*shown, "seed"])
        .properties(name="seeds"),
    ]
    return _spec(alt.layer(*layers).properties(height=34 * len(means)))


def speedups(gains: pd.DataFrame, palette: Palette) -> Spec:
    """Draw the speed-up of a precision over fp32.

    Args:
        gains: Columns variant, precision, ratio (fp32's latency divided by that of the precision).
        palette: Colours and shapes of the variants.

    Returns:
        The chart.
    """
    gains = gains.assign(
        group=gains["variant"].map(palette.group),
        model=gains["variant"] + " " + gains["precision"],
        label=gains["ratio"].map(times) + " ×",
        same=1,
    )
    order = gains["model"].tolist()
    x = alt.X("ratio:Q", title="Times faster than fp32", scale=alt.Scale(domain=[0, 1.2 * gains["ratio"].max()]))
    y = alt.Y("model:N", title=None, sort=order, axis=MODELS)
    rows = alt.Chart(gains).encode(x=x, y=y, color=palette.colour(legend=False))
    layers = [
        alt.Chart(pd.DataFrame({"same": [1]})).mark_rule(color="currentColor", opacity=0.5).encode(x="same:Q"),
        rows.mark_rule(strokeWidth=2).encode(x2="same:Q").properties(name="stems"),
        rows.mark_point(size=80, filled=True, opacity=1).encode(tooltip=["model", "label"]).properties(name="ratios"),
        alt.Chart(gains).mark_text(align="left", dx=9).encode(x=x, y=y, text="label:N"),
    ]
    return _spec(alt.layer(*layers).properties(height=34 * len(order)))


FEW_CLASSES = 12  # the most in a confusion matrix with numbers


def confusion(counts: NDArray[np.int64], classes: Sequence[str]) -> Spec:
    """Draw a confusion matrix: of each true class (row), the share that was predicted as each class (column).

    Args:
        counts: int64 (C, C).
        classes: Names of the classes.

    Returns:
        The chart.
    """
    shares = 100 * counts / counts.sum(axis=1, keepdims=True).clip(1)
    cells = pd.DataFrame(
        [
            {"true": true, "predicted": predicted, "share": float(shares[i, j]), "images": int(counts[i, j])}
            for i, true in enumerate(classes)
            for j, predicted in enumerate(classes)
            if counts[i, j] or len(classes) <= FEW_CLASSES  # the empty ones of 256 classes would be 65,000
        ]
    )
    cells["text"] = cells["share"].map("{:.0f}".format)
    scale = alt.Scale(domain=list(classes))
    top = alt.Axis(orient="top", labelAngle=-60, grid=False)
    x = alt.X("predicted:N", title="Predicted class", scale=scale, sort=list(classes), axis=top)
    y = alt.Y("true:N", title="True class", scale=scale, sort=list(classes), axis=alt.Axis(grid=False))
    opacity = alt.FillOpacity("share:Q", scale=alt.Scale(domain=[0, 100], range=[0, 1]), legend=None)
    shown = ["true", "predicted", alt.Tooltip("share", title="share (%)", format=".1f"), "images"]
    layers = [
        alt.Chart(cells)
        .mark_rect(fill=COLOURS[0], stroke="currentColor", strokeOpacity=0.08)
        .encode(x=x, y=y, fillOpacity=opacity, tooltip=shown)
        .properties(name="cells")
    ]
    if len(classes) <= FEW_CLASSES:  # with more there is no room for numbers
        numbers = alt.Chart(cells).transform_filter("datum.share >= 0.5")
        dark = alt.condition("datum.share > 45", alt.value("#ffffff"), alt.value("currentColor"))
        layers.append(
            numbers.mark_text(fontSize=11).encode(x=x, y=y, text="text:N", color=dark).properties(name="shares")
        )
    return _spec(alt.layer(*layers).properties(height=len(classes) * (26 if len(classes) <= FEW_CLASSES else 12)))


def _between(rows: pd.DataFrame, name: str, form: Any) -> pd.Series:
    low, high = rows[f"{name}_low"], rows[f"{name}_high"]
    text = " [" + low.map(form) + ", " + high.map(form) + "]"
    return text.where(low.notna(), "")


def _spec(chart: alt.LayerChart | alt.FacetChart) -> Spec:
    with alt.data_transformers.enable("default", max_rows=None):  # the callers limit their number
        content = chart.to_dict()
    return {
        **content,
        "config": THEME,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
    }
