"""The hash of a source on this machine, by which the workflow detects that it changed."""

import hashlib
import io
from functools import cache
from pathlib import Path

from resbench.common.errors import ResbenchError
from resbench.common.files import sha256
from resbench.data.folders import pack_folder
from resbench.data.test_sets import sources_of
from resbench.data.transfer import SourceError, local_path


class _HashingStream(io.RawIOBase):
    """A file that keeps only the hash of what is written to it."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        self._position += len(data)
        return len(data)


@cache
def fingerprint(source: str) -> str | None:
    """Return the hash of a source on this machine, by which a change of it is detected.

    Args:
        source: A path or URL.

    Returns:
        SHA-256 of a local archive, or of a folder as `download` packs it; None for anything else.
    """
    try:
        path = local_path(source)
        if path is not None and path.is_file():
            return sha256(path)
        if path is not None and path.is_dir():
            stream = _HashingStream()
            pack_folder(path, stream)  # type: ignore[arg-type]
            return stream.digest.hexdigest()
    except (OSError, ValueError, SourceError):
        pass  # `download` will say why
    return None


def fingerprint_test_set(path: str, labels: str | None) -> list[str | None]:
    """Return the hashes of what a further test set is read from, by which a change of it is detected.

    Args:
        path: Its images, as for `write_test_set`.
        labels: Its labels.

    Returns:
        A hash for each file or folder, None for one that does not exist; empty where the labels are missing.
    """
    try:
        return [fingerprint(str(source)) for source in sources_of(Path(path), Path(labels) if labels else None)]
    except ResbenchError:
        return []  # `extraset` will say why
