"""Check that the page follows from the tables, predictions, timings and images that it was made from.

The page is rendered again.  What other versions of libraries write in another way, and means the same, is no fault: the
compression of pictures, and the chart library itself, whose version the page names.
"""

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from PIL import Image

from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import CHECKSUMS
from resbench.report.html.configuration import read_configuration
from resbench.report.html.page import render_page, script_hash
from resbench.report.html.page_inputs import PageFiles, PageInputs, read_page_inputs
from resbench.report.html.rendering import chart_library_name
from resbench.training.record import read_record
from resbench.verify.faults import Fault, Note, first, read
from resbench.verify.tables import json_differences, line_faults, read_text

PAGE = "report.html"
PAGE_CHECKSUMS = f"{CHECKSUMS}.page"
FIGURES = "figures"
SETTINGS = ("protocol", "epochs", "batch_size", "limit", "validation")  # of a training
SPECS = '<script type="application/json" id="specs">'
PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")


class Parts(NamedTuple):
    """A page, cut into what is compared in different ways.

    Attributes:
        lines: Its markup, with pictures as hashes of their pixels.
        charts: What the charts show, as JSON.
        library: The chart library.
        code: The page's own script.
        generator: What made it, with the version of the chart library.
    """

    lines: list[str]
    charts: str
    library: str
    code: str
    generator: str


def check_page(folder: Path, sources: list[str], note: Note) -> Iterator[Fault]:
    """Yield everything on the page that does not follow from its sources, and figures that are not the page's.

    Args:
        folder: Folder of a finished run.
        sources: The files that SHA256SUMS.page names, in their order.
        note: Called where the page's chart library cannot be checked.

    Yields:
        The faults.
    """
    path = folder / PAGE
    stored = read(lambda path: _parts(path, read_text(path)), path)
    if isinstance(stored, Fault):
        yield stored
        return
    try:
        inputs = _inputs(folder, sources)
        rendered, figures = render_page(inputs)
        expected = _parts(path, rendered)
    except (ResbenchError, ValueError) as error:
        yield Fault(path, f"cannot be made again: {str(error).removeprefix(f'{path}: ')}")
        return
    yield from first(_differences(path, stored, expected))
    yield from _configuration(folder, inputs.config, sources)
    if stored.generator == expected.generator:
        if stored.library != expected.library:
            yield Fault(path, f"its chart library is not the one of {chart_library_name()}")
    else:
        note(f"verify: {path} was made with {stored.generator}, here is {expected.generator}: not compared")
    names = {f"{figure.name}.{suffix}" for figure in figures for suffix in ("svg", "png")}
    yield from _figures(folder, names, sources)


def _inputs(folder: Path, sources: list[str]) -> PageInputs:
    """Return what the page was made from."""

    def named(pattern: str) -> list[Path]:
        return [folder / name for name in sources if Path(name).match(pattern)]

    try:
        configuration = read_configuration(folder / PAGE)
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(configuration, yaml.SafeLoader)):
            raise ValueError("it has aliases, which no page has")  # a few of them expand to gigabytes
        text = json.dumps(yaml.safe_load(configuration))
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ResbenchError(f"its configuration is not YAML of a run ({one_line(error)})") from error
    files = PageFiles(
        report=folder / "report.csv",
        comparisons=folder / "comparisons.csv",
        recommendation=folder / "recommendation.json",
        summary=folder / "data/summary.json",
        test=folder / "data/test.npz",
        histories=named("models/*/*/history.csv"),
        predictions=named("predictions/*/*/*.npz"),
        timings=list(zip(named("samples.csv"), named("host.json"), strict=True)),
        scenarios=next(iter(named("scenarios.csv")), None),
        robustness=next(iter(named("robustness.csv")), None),
        operators=named("operators.csv"),
    )
    return read_page_inputs(files, text)


def _parts(path: Path, text: str) -> Parts:
    """Cut a page into its parts.

    Raises:
        ResbenchError: It has not the parts of a page.
    """
    head, _, scripts = text.partition(SPECS)
    found = scripts.split("</script>\n<script>")
    if len(found) < 3:
        raise ResbenchError(f"{path}: is not a page that `resbench page` of this version writes")
    charts, library, code = found[0], "</script>\n<script>".join(found[1:-1]), found[-1]
    # The policy allows the scripts by their hashes; the scripts themselves are compared below.
    for script in (library, code.partition("</script>")[0]):
        head = head.replace(script_hash(script), "script")
    generator = re.search(r'<meta name="generator" content="([^"]*)">\n', head)
    lines = PICTURE.sub(_pixels, head.replace(generator[0], "") if generator else head).splitlines()
    return Parts(lines, charts, library, code, html.unescape(generator[1]) if generator else "unknown")


def _pixels(found: re.Match[str]) -> str:
    """Return a picture as the hash of its pixels, or as it is where it is no picture of a test image."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(found[1])), formats=["PNG"]) as image:
            if (image.height, image.width, image.mode) != (*IMAGE_SHAPE[:2], "RGB"):
                return found[0]
            return f"picture {hashlib.sha256(image.tobytes()).hexdigest()[:16]}"
    except Exception:  # Pillow raises a dozen types on hostile bytes
        return found[0]


def _differences(path: Path, stored: Parts, expected: Parts) -> Iterator[Fault]:
    yield from line_faults(path, stored.lines, expected.lines)
    try:
        both = [json.loads(parts.charts) for parts in (stored, expected)]
    except (ValueError, RecursionError):
        yield Fault(path, "the data of its charts are not JSON")
    else:
        for place, one, other in json_differences(*both):
            yield Fault(path, f"chart {place} is {one}, but {other} follows from the raw files")
    if stored.code != expected.code:
        yield Fault(path, "its script is not that of this version")


def _configuration(folder: Path, config: dict[str, Any], sources: list[str]) -> Iterator[Fault]:
    """Yield what the page's configuration says of the trainings, and the records in the models do not."""
    models = [folder / name for name in sources if Path(name).match("models/*/*/history.csv")]
    names = {"variants": {path.parents[1].name for path in models}}
    names["seeds"] = {path.parent.name.removeprefix("seed") for path in models}
    for key, found in names.items():
        said = config.get(key)
        if isinstance(said, list) and {str(one) for one in said} != found:
            yield Fault(
                folder / PAGE, f"its configuration has {key} {said}, but trained were {', '.join(sorted(found))}"
            )
    training = config.get("training")
    said = {key: training.get(key) for key in SETTINGS} if isinstance(training, dict) else {}
    for path in models:
        model = path.with_name("model.keras")
        record = read(read_record, model)
        for key, value in said.items():
            if not isinstance(record, Fault) and value is not None and record.get(key, value) != value:
                yield Fault(
                    folder / PAGE, f"its configuration has {key} {value!r:.40}, but {model} {record[key]!r:.40}"
                )


def _figures(folder: Path, names: set[str], sources: list[str]) -> Iterator[Fault]:
    """Yield figures that are missing or do not belong to the page; their content is checked by its hash."""
    for name in sorted(names - {Path(source).name for source in sources if Path(source).match(f"{FIGURES}/*")}):
        yield Fault(folder / FIGURES / name, f"is not named in {folder / PAGE_CHECKSUMS}")
    for path in sorted((folder / FIGURES).glob("*")):
        if path.name not in names and not path.name.startswith("."):
            yield Fault(path, "is not a figure of the page")
