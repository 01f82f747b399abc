"""Tables of the documentation that are made from the code: `make docs` writes them, a test holds them current."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from resbench.common.markdown import replace_between
from resbench.report import columns, recommendation

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


METHODOLOGY = ROOT / "docs/methodology.md"
PARTS: list[Part | File] = [
    Part(METHODOLOGY, "columns", columns.documentation),
    Part(METHODOLOGY, "findings", recommendation.documentation),
    File(ROOT / "workflow/schemas/recommendation.schema.json", recommendation.json_schema),
]

if __name__ == "__main__":
    for part in PARTS:
        part.path.write_text(part.current(), encoding="utf-8")
