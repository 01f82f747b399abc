"""Tables of the documentation that are made from the code: `make docs` writes them, a test holds them current."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from resbench.common.markdown import table
from resbench.report import columns, recommendation
from resbench.report.format import percent, significant
from resbench.report.schema import read_report

ROOT = Path(__file__).parents[1]


class Part(NamedTuple):
    """The text between the markers `name` in a file, and the function that makes it."""

    path: Path
    name: str
    make: Callable[[], str]

    def current(self) -> str:
        """Return the complete file as it should be."""
        return replace_between(self.path.read_text(encoding="utf-8"), self.name, self.make())


class File(NamedTuple):
    """A file that is generated completely."""

    path: Path
    make: Callable[[], str]
    name: str = "file"

    def current(self) -> str:
        """Return the file as it should be."""
        return self.make()


def replace_between(text: str, name: str, content: str) -> str:
    """Replace what stands between the markers `<!-- NAME -->` and `<!-- /NAME -->`, each on a line of its own.

    Args:
        text: Text with both markers.
        name: Name of the markers.
        content: What to put between them.

    Returns:
        The new text.

    Raises:
        ValueError: The text does not have both markers exactly once.
    """
    markers = [f"<!-- {name} -->\n", f"<!-- /{name} -->\n"]
    if [text.count(marker) for marker in markers] != [1, 1]:
        raise ValueError(f"the markers {' and '.join(map(str.strip, markers))} must stand in the text once each")
    before, rest = text.split(markers[0])
    return f"{before}{markers[0]}{content.strip()}\n{markers[1]}{rest.split(markers[1])[1]}"


def results_table() -> str:
    """Return the README's table: each network of docs/results, timed on single images and one thread of a CPU."""
    rows = []
    for path in (ROOT / "docs/results").glob("*/report.csv"):
        report = read_report(path)
        timed = report.query("provider == 'cpu' and batch_size == 1 and threads == 1")
        fp32, int8 = (timed[timed["precision"] == precision].set_index("variant") for precision in ("fp32", "int8"))
        rows += [(fp32.loc[variant], int8.loc[variant]) for variant in fp32.index]
    rows.sort(key=lambda row: -row[0]["accuracy_mean"])
    header = [
        "variant",
        "protocol",
        "seeds",
        "test accuracy [95 % CI] (%)",
        "published (%)",
        "p50 fp32 (ms)",
        "p50 int8 (ms)",
    ]
    return table([*header, "MACs (M)", "file fp32, int8 (MB)"], [_network(*row) for row in rows], texts=2)


def _network(fp32: pd.Series, int8: pd.Series) -> list[str]:
    low, high = (percent(fp32[f"accuracy_{end}"]) for end in ("low", "high"))
    published = fp32["published_accuracy"]
    return [
        str(fp32.name),
        fp32["protocol"],
        f"{fp32['seeds']:.0f}",
        f"{percent(fp32['accuracy_mean'])} [{low}, {high}]",
        "–" if pd.isna(published) else percent(published),
        *(significant(row["latency_p50_ms"]) for row in (fp32, int8)),
        significant(fp32["macs"] / 1e6),
        ", ".join(significant(row["model_bytes"] / 1e6) for row in (fp32, int8)),
    ]


METHODOLOGY = ROOT / "docs/methodology.md"
PARTS: list[Part | File] = [
    Part(ROOT / "README.md", "results", results_table),
    Part(METHODOLOGY, "columns", columns.documentation),
    Part(METHODOLOGY, "findings", recommendation.documentation),
    File(ROOT / "workflow/schemas/recommendation.schema.json", recommendation.json_schema),
]

if __name__ == "__main__":
    for part in PARTS:
        part.path.write_text(part.current(), encoding="utf-8")
