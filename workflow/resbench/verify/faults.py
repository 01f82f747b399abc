"""Faults that verification finds, and the check of files against their hashes."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from resbench.common.errors import ResbenchError, printable
from resbench.common.files import CHECKSUMS, sha256

T = TypeVar("T")
Note = Callable[[str], None]  # takes a line about what cannot be checked
MOST = 5  # faults named for each file


class Fault(NamedTuple):
    """A contradiction that was found.

    Attributes:
        path: The file.
        what: What is wrong with it, as the end of a sentence that begins with the file.
    """

    path: Path
    what: str

    def __str__(self) -> str:
        """Return the fault as one line; texts from files cannot control a terminal."""
        return printable(f"{self.path}: {self.what}")


def file_hash(path: Path) -> str | None:
    """Return the SHA-256 of a file.

    Args:
        path: The file.

    Returns:
        Its hash; None where there is no file.
    """
    return sha256(path) if path.is_file() else None


def check_files(folder: Path, expected: Mapping[str, str], sums: str = CHECKSUMS) -> Iterator[Fault]:
    """Yield the files of a folder that are missing, or have another hash than expected.

    Args:
        folder: The folder.
        expected: SHA-256 by the files' relative paths.
        sums: The file that holds these hashes, relative to the folder.

    Yields:
        The faults.
    """
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            yield Fault(path, f"is missing, though {folder / sums} names it")
        elif sha256(path) != digest:
            yield Fault(path, f"was changed or replaced: it has another hash than in {folder / sums}")


def first(faults: Iterator[Fault]) -> Iterator[Fault]:
    """Yield the first faults, and how many more there are.

    Args:
        faults: Faults of one file.

    Yields:
        The faults.
    """
    yield from itertools.islice(faults, MOST)
    more = list(faults)
    if more:
        yield Fault(more[0].path, f"{len(more)} more places do not follow from the raw files")


def read(reader: Callable[[Path], T], path: Path) -> T | Fault:
    """Return what a file holds, or a fault where it cannot be read.

    Args:
        reader: Reads such a file, or raises ResbenchError.
        path: The file.

    Returns:
        Its content, or a fault where it cannot be read.
    """
    try:
        return reader(path)
    except ResbenchError as error:
        return Fault(path, str(error).removeprefix(f"{path}: "))
