"""The unfinished download: NAME.part next to the file it will become, and a note on where its bytes come from."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from resbench.common.errors import ResbenchError
from resbench.common.files import write_json


@dataclass
class RemoteFile:
    """The file that the bytes are of: `validator` is its ETag or date, `total` its length, where known."""

    url: str
    validator: str | None = None
    total: int | None = None


class Partial:
    """An unfinished download; its bytes are written unbuffered, so that a kill loses none of them."""

    def __init__(self, dest: Path) -> None:
        self.path = dest.with_name(dest.name + ".part")
        self.note = dest.with_name(dest.name + ".part.json")
        self.stream = self.path.open("a+b", buffering=0)
        self.origin = self._read_note()

    @property
    def size(self) -> int:
        """Return the number of bytes so far."""
        return self.path.stat().st_size

    def begin(self, origin: RemoteFile) -> None:
        """Record where the following bytes come from.

        Args:
            origin: The file that they are of.
        """
        self.origin = origin
        write_json(self.note, asdict(origin))

    def write(self, position: int, data: bytes) -> None:
        """Write bytes at a position; those already there are compared, and a difference cuts off the rest.

        Args:
            position: Where the bytes belong.
            data: The bytes.
        """
        there = os.pread(self.stream.fileno(), len(data), position)
        if there != data[: len(there)]:
            self.truncate(position)
            there = b""
        view = memoryview(data)[len(there) :]
        while view:
            view = view[self.stream.write(view) :]

    def truncate(self, size: int) -> None:
        """Cut the download off.

        Args:
            size: Number of bytes to keep.
        """
        self.stream.truncate(size)

    def become(self, dest: Path) -> None:
        """Give the finished download its final name.

        Args:
            dest: That name.
        """
        self.path.replace(dest)
        self.note.unlink(missing_ok=True)

    def _read_note(self) -> RemoteFile | None:
        """Return the note; None where it is missing or incomplete: the bytes are then of unknown origin."""
        try:
            return RemoteFile(**json.loads(self.note.read_bytes())) if self.size else None
        except (OSError, ValueError, TypeError):
            return None


@contextmanager
def open_partial(dest: Path) -> Iterator[Partial]:
    """Open the unfinished download of a file, or begin one.

    Args:
        dest: The file that it will become.

    Yields:
        The unfinished download, locked against other processes.

    Raises:
        ResbenchError: Another process is writing it.
    """
    partial = Partial(dest)
    with partial.stream:
        try:
            fcntl.flock(partial.stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, also when it is killed
            if not os.path.samestat(os.fstat(partial.stream.fileno()), partial.path.stat()):
                raise BlockingIOError("finished by another run just now")
        except (BlockingIOError, FileNotFoundError) as error:
            raise ResbenchError(f"{partial.path}: another process is downloading it; wait until that ends") from error
        try:
            yield partial
        finally:
            if partial.path.exists() and not partial.size:
                partial.path.unlink()
                partial.note.unlink(missing_ok=True)
