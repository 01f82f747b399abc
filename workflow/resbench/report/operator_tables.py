"""operators.csv as tables: the share of each kind of operator, and of the slowest layers, in a model's time."""

from typing import Any

import pandas as pd

from resbench.report.format import counted, percent, significant
from resbench.report.main_table import HEADINGS
from resbench.report.prose import provider_title, setting_text
from resbench.report.tables import BLANK, Cell, Heading, Row, Table, text_cell

PLACE = ["provider", "batch_size", "threads"]
MODEL = ["variant", "precision", "seed"]
LAYERS = 10  # of each model

CONVOLUTIONS = "Convolutions"
OTHER = "Other"
# Kinds of the runtime's operators, which are its own: fused, in integers or in another layout.
KINDS = {
    CONVOLUTIONS: {"Conv", "FusedConv", "QLinearConv", "NhwcFusedConv", "ConvInteger"},
    "Matrix products": {"Gemm", "FusedGemm", "MatMul", "FusedMatMul", "QGemm", "QLinearMatMul", "MatMulInteger"},
    "Additions": {"Add", "QLinearAdd", "Sum"},
    "Pooling": {"MaxPool", "AveragePool", "GlobalAveragePool", "QLinearGlobalAveragePool", "QLinearAveragePool"}
    | {"NhwcMaxPool", "ReduceMean", "QLinearReduceMean"},
    "Conversions": {"QuantizeLinear", "DequantizeLinear", "Cast"},
    "Layout": {"ReorderInput", "ReorderOutput", "Transpose", "Reshape", "Flatten", "Squeeze", "Pad", "Concat"},
}
KIND_OF = {operator: kind for kind, operators in KINDS.items() for operator in operators}


def operator_tables(operators: pd.DataFrame) -> list[tuple[Table, Table]]:
    """Return the shares of the kinds of operators, and the layers that take longest.

    Args:
        operators: Rows of operators.csv, see `read_operators`.

    Returns:
        Both tables, for each provider and setting.
    """
    operators = operators.assign(kind=operators["operator"].map(KIND_OF).fillna(OTHER))
    return [
        (_kinds(_place(place), rows), _layers(_place(place), rows))
        for place, rows in operators.groupby(PLACE, sort=False)
    ]


def _place(place: Any) -> str:
    provider, batch_size, threads = place
    return f"with the {provider_title(str(provider))} provider, {setting_text((batch_size, threads))}"


def _kinds(place: str, rows: pd.DataFrame) -> Table:
    shares = rows.groupby("kind")["share"].sum()
    kinds = [kind for kind in (*KINDS, OTHER) if shares.get(kind, 0) > 0]
    headings = [
        HEADINGS["variant"],
        HEADINGS["precision"],
        *(Heading(kind, "%", _meaning(kind, rows)) for kind in kinds),
        Heading("Speed", "GMAC/s", "of the convolutions; below it that of a large matrix product in their arithmetic"),
        Heading("Not fused", meaning="operators that compute in float what the file has in integers"),
    ]
    lines = []
    for (variant, precision, _), own in rows.groupby(MODEL, sort=False):
        share = own.groupby("kind")["share"].sum()
        unfused = int(own["unfused"].sum())
        lines.append(
            Row(
                [
                    text_cell(str(variant)),
                    text_cell(str(precision)),
                    *(Cell(percent(share.get(kind, 0)), value=float(share.get(kind, 0))) for kind in kinds),
                    _speed(own[(own["kind"] == CONVOLUTIONS) & (own["gmacs_per_s"] > 0)]),
                    Cell(f"{unfused}", value=unfused),
                ]
            )
        )
    return Table(f"Share of the time in operators, {place}", headings, lines)


def _meaning(kind: str, rows: pd.DataFrame) -> str:
    names = rows.loc[rows["kind"] == kind, "operator"].unique()
    return f"the runtime's {', '.join(sorted(names))}"


def _speed(rows: pd.DataFrame) -> Cell:
    """Return the speed of several operators in 10^9 MACs/s, and its share of the machine's peak."""
    if rows.empty:
        return BLANK
    speed = float(rows["macs"].sum() / (rows["macs"] / rows["gmacs_per_s"]).sum())
    return Cell(significant(speed), _of_peak(speed, float(rows["peak_gmacs_per_s"].max())), speed)


def _of_peak(speed: float, peak: float) -> tuple[str, ...]:
    return (f"{100 * speed / peak:.0f} % of {significant(peak)}",) if peak > 0 else ()


def _layers(place: str, rows: pd.DataFrame) -> Table:
    headings = [
        HEADINGS["variant"],
        HEADINGS["precision"],
        Heading("Layer", meaning="node in the file, or what the runtime made of several", is_text=True),
        Heading("Operator", meaning="what the runtime executed", is_text=True),
        Heading("Share", "%", "of the model's time in operators"),
        Heading("Speed", "GMAC/s", "multiply-adds by time; below it that of a large matrix product"),
        Heading("Fused", meaning="whether a layer in integers is computed in integers", is_text=True),
    ]
    lines = [
        Row(
            [
                text_cell(row["variant"]),
                text_cell(row["precision"]),
                text_cell(row["layer"]),
                text_cell(row["operator"]),
                Cell(percent(row["share"]), value=row["share"]),
                _speed(pd.DataFrame([row])) if row["gmacs_per_s"] > 0 else BLANK,
                text_cell("no" if row["unfused"] else "–"),
            ]
        )
        for _, own in rows.groupby(MODEL, sort=False)
        for row in own.sort_values("share", ascending=False, kind="stable").head(LAYERS).to_dict("records")
    ]
    return Table(f"The {counted(LAYERS, 'layer')} of each model that take longest, {place}", headings, lines)
