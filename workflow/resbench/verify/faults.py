"""What verification finds, and the check that all others start from."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from resbench.common.errors import ResbenchError
from resbench.common.files import CHECKSUMS, sha256

T = TypeVar("T")


class Fault(NamedTuple):
    """A file that contradicts the others, and how."""

    path: Path
    what: str

    def __str__(self) -> str:
        """Return the fault as one line."""
        return f"{self.path}: {self.what}"


def check_files(folder: Path, expected: Mapping[str, str]) -> Iterator[Fault]:
    """Yield the files of a folder that are missing, or not the ones that its SHA256SUMS names."""
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            yield Fault(path, f"is missing, though {folder / CHECKSUMS} names it")
        elif sha256(path) != digest:
            yield Fault(path, f"was changed or replaced: it has another hash than in {folder / CHECKSUMS}")


def read(reader: Callable[[Path], T], path: Path) -> T | Fault:
    """Return what a file holds, or that it cannot be read as a fault."""
    try:
        return reader(path)
    except ResbenchError as error:
        return Fault(path, str(error).removeprefix(f"{path}: "))
