"""Colours, shapes and type of the charts, for a light page, a dark page and paper.

Text and axes have the page's `currentColor`; in a file it is black. Variants have the colours of Okabe & Ito (2008),
which people with any colour vision can distinguish, and a shape each.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
REST, GREY = "other variants", "#8A8F98"
FEATURED = len(COLOURS)  # variants with a colour of their own
LEGEND_COLUMNS, WIDE = 3, 14  # columns of the legend; longer names than WIDE characters are in one column

# Charts keep full names; labels that are too long lose their middle.
SHORT_LABEL = "length(datum.label) > 18 ? slice(datum.label, 0, 5) + '…' + slice(datum.label, -12) : datum.label"
LONG_LABEL = "length(datum.label) > 24 ? slice(datum.label, 0, 11) + '…' + slice(datum.label, -12) : datum.label"


THEME: dict[str, Any] = {
    "aria": False,  # the page itself describes each chart
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


class Palette(NamedTuple):
    """The colours and shapes of variants in charts: the first variants have their own, the rest are grey.

    Attributes:
        featured: Variants with a colour and a shape of their own.
        rest: Whether there are more variants.
    """

    featured: list[str]
    rest: bool

    @classmethod
    def of(cls, variants: Sequence[str]) -> "Palette":
        """Return the palette of some variants.

        Args:
            variants: All variants, the most important first.

        Returns:
            The palette.
        """
        return cls(list(variants[:FEATURED]), len(variants) > FEATURED)

    def group(self, variant: str) -> str:
        """Return the entry of the legend that a variant belongs to.

        Args:
            variant: Name of the variant.

        Returns:
            Its own name, or that of the rest.
        """
        return variant if variant in self.featured else REST

    @property
    def domain(self) -> list[str]:
        """Return the entries of the legend."""
        return [*self.featured, *([REST] if self.rest else [])]

    @property
    def scale(self) -> alt.Scale:
        """Return the scale from entries to colours."""
        return alt.Scale(domain=self.domain, range=[*COLOURS[: len(self.featured)], *([GREY] if self.rest else [])])

    def colour(self, *, legend: bool = True) -> alt.Color:
        """Return the encoding of variants as colours.

        Args:
            legend: Whether the chart has a legend.

        Returns:
            The encoding.
        """
        columns = LEGEND_COLUMNS if max(map(len, self.domain)) <= WIDE else 1
        shown = alt.Legend(columns=columns, labelExpr=LONG_LABEL, labelLimit=240)
        return alt.Color("group:N", scale=self.scale, legend=shown if legend else None)

    def shape(self) -> alt.Shape:
        """Return the encoding of variants as shapes.

        Returns:
            The encoding.
        """
        shapes = [*SHAPES[: len(self.featured)], *(["circle"] if self.rest else [])]
        scale = alt.Scale(domain=self.domain, range=shapes)
        return alt.Shape("group:N", scale=scale)
