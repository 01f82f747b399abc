"""Charts as SVG and PNG files, and the JavaScript that draws them in a browser."""

import importlib.metadata
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import vl_convert

from resbench.common.errors import ResbenchError, printable
from resbench.report.html.figures import Spec

WIDTH = 640  # of a figure in a file, in CSS pixels
PNG_SCALE = 2


class Figure(NamedTuple):
    """A chart with its texts.

    Attributes:
        name: Name of its files.
        title: Its title.
        place: Where it was measured; empty where that does not matter.
        caption: How to read it.
        description: Its content, for readers who do not see it.
        spec: Its Vega-Lite specification.
    """

    name: str
    title: str
    place: str
    caption: str
    description: str
    spec: Spec


def write_figures(folder: Path, figures: Sequence[Figure]) -> None:
    """Write NAME.svg and NAME.png of each chart, on white.

    Args:
        folder: Folder to write; it appears complete and replaces an earlier one.
        figures: The charts.

    Raises:
        ResbenchError: Something else is there, which would be deleted.
    """
    _require_figures(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        fresh = Path(temporary) / folder.name
        fresh.mkdir()
        for figure in figures:
            title = {"text": figure.title, "subtitle": figure.place}
            spec = figure.spec | {"width": WIDTH, "title": title, "padding": 16, "background": "white"}
            svg = vl_convert.vegalite_to_svg(spec)
            (fresh / f"{figure.name}.svg").write_text(svg, encoding="utf-8")
            (fresh / f"{figure.name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)


def _require_figures(folder: Path) -> None:
    """Refuse what is not the folder of an earlier page, in which each file has its partner in the other format."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ResbenchError(f"{folder}: is not a folder that can be replaced; name another one for the figures")
    names = {path.name for path in folder.glob("*") if not path.name.startswith(".")}
    partners = {".svg": ".png", ".png": ".svg"}
    for path in sorted(map(Path, names)):
        if path.with_suffix(partners.get(path.suffix, ".none")).name not in names:
            raise ResbenchError(
                f"{folder}: holds {printable(path.name)}, which no page writes, and would be replaced; "
                "name another folder for the figures"
            )


def chart_library_name() -> str:
    """Return name and version of the chart library.

    Returns:
        The text.
    """
    return f"vl-convert-python {importlib.metadata.version('vl-convert-python')}"


@cache
def chart_library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that sets `vegaEmbed` and loads nothing.

    Returns:
        JavaScript.
    """
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
