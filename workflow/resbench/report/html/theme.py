"""How charts look: colours, shapes and type that suit a light page, a dark one and paper.

Text and axes are drawn in `currentColor`, the page's own; in a file it is black.  Variants have the colours of
Okabe & Ito (2008), which people with any colour vision tell apart, and a shape each.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
OTHERS, GREY = "others", "#8A8F98"
FEATURED = len(COLOURS)  # variants with a colour of their own
LEGEND_COLUMNS, WIDE = 3, 14  # of names up to so many letters; longer ones stand below each other

# Charts keep whole names; their labels lose the middle where they are longer than fits.
SHORT_LABEL = "length(datum.label) > 18 ? slice(datum.label, 0, 5) + '…' + slice(datum.label, -12) : datum.label"
LONG_LABEL = "length(datum.label) > 24 ? slice(datum.label, 0, 11) + '…' + slice(datum.label, -12) : datum.label"


THEME: dict[str, Any] = {
    "aria": False,  # the page describes each chart as a whole
    "mark": {"aria": False},
    "background": "transparent",
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor",
        "labelOpacity": 0.8,
        "labelFontSize": 12,
        "labelPadding": 6,
        "labelFlush": False,
        "titleColor": "currentColor",
        "titleOpacity": 0.8,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": "currentColor",
        "gridOpacity": 0.1,
        "ticks": False,
        "domain": False,
    },
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "offset": 12,
        "rowPadding": 4,
        "labelColor": "currentColor",
        "labelFontSize": 12,
        "symbolStrokeWidth": 2,
        "symbolSize": 90,
        "symbolOpacity": 1,
    },
    "title": {
        "anchor": "start",
        "color": "currentColor",
        "fontSize": 15,
        "fontWeight": 600,
        "subtitleColor": "currentColor",
        "subtitleFontSize": 12,
        "offset": 14,
    },
    "text": {"color": "currentColor", "fontSize": 12},
}


class Look(NamedTuple):
    """Which variants have a colour and a shape of their own: the first of them; the rest are grey."""

    featured: list[str]
    others: bool

    @classmethod
    def of(cls, variants: Sequence[str]) -> "Look":
        """`variants`: all there are, those that matter most first."""
        return cls(list(variants[:FEATURED]), len(variants) > FEATURED)

    def group(self, variant: str) -> str:
        return variant if variant in self.featured else OTHERS

    @property
    def domain(self) -> list[str]:
        return [*self.featured, *([OTHERS] if self.others else [])]

    @property
    def palette(self) -> alt.Scale:
        return alt.Scale(domain=self.domain, range=[*COLOURS[: len(self.featured)], *([GREY] if self.others else [])])

    def colour(self, *, legend: bool = True) -> alt.Color:
        columns = LEGEND_COLUMNS if max(map(len, self.domain)) <= WIDE else 1
        shown = alt.Legend(columns=columns, labelExpr=LONG_LABEL, labelLimit=240)
        return alt.Color("group:N", scale=self.palette, legend=shown if legend else None)

    def shape(self) -> alt.Shape:
        shapes = [*SHAPES[: len(self.featured)], *(["circle"] if self.others else [])]
        scale = alt.Scale(domain=self.domain, range=shapes)
        return alt.Shape("group:N", scale=scale)
