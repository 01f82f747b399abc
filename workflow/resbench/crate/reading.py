"""Read a crate as the results folder that it holds.  The crate is untrusted."""

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resbench.common.errors import ResbenchError, printable
from resbench.crate.contents import METADATA
from resbench.data.containers import zip_entries
from resbench.data.errors import ArchiveError
from resbench.data.streams import Budget

MAGIC = b"PK\3\4"
SMALLEST = 1 << 28  # bytes that any crate may unpack to
EXPANSION = 20  # times the size of the crate that it may unpack to: most of it is stored as it is


@contextmanager
def results_folder(path: Path) -> Iterator[Path]:
    """Give the results folder that a path stands for: the folder itself, or what a crate holds.

    A crate is unpacked to a temporary folder, which is removed when the block ends, also by Ctrl-C.  An error that is
    raised in the block names the crate in place of that folder.

    Args:
        path: A results folder, or what `resbench pack` wrote.

    Yields:
        The folder.

    Raises:
        ResbenchError: A file is not a crate, or is damaged or hostile: links, paths that lead outside, a name that
            occurs twice, or more data than a crate can hold.
    """
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="resbench-crate-") as temporary:
        folder = Path(temporary)
        try:
            _unpack(path, folder)
            yield folder
        except ResbenchError as error:
            raise ResbenchError(str(error).replace(str(folder), str(path))) from error


def is_crate(path: Path) -> bool:
    """Return whether a path is a zip archive that says it is a crate.

    Args:
        path: A path.

    Returns:
        Whether it is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return METADATA in archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def _unpack(path: Path, folder: Path) -> None:
    """Unpack a crate into an empty folder."""
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ResbenchError(f"{path}: not a zip archive; name a results folder, or what `resbench pack` wrote")
    try:
        for entry in zip_entries(path, Budget(max(SMALLEST, EXPANSION * path.stat().st_size))):
            target = _place(folder, entry.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:
                stream.write(entry.read())
    except ArchiveError as error:
        raise ResbenchError(f"{path}: {error}; pack the run again with `resbench pack`") from error
    except (FileExistsError, NotADirectoryError) as error:
        name = printable(str(Path(str(error.filename)).relative_to(folder)))
        raise ResbenchError(f"{path}: holds {name} twice; pack the run again with `resbench pack`") from error
    except OSError as error:
        raise ResbenchError(f"{path}: cannot be unpacked in {folder.parent} ({error.strerror}); see TMPDIR") from error
    if not (folder / METADATA).is_file():
        raise ResbenchError(f"{path}: holds no {METADATA}; name a results folder, or what `resbench pack` wrote")


def _place(folder: Path, name: str) -> Path:
    """Return where a member goes; its name leads nowhere else on any system."""
    parts = name.split("/")
    if not all(part and part == part.strip() and part.isprintable() and not set(part) & set("\\:") for part in parts):
        raise ArchiveError(f"holds a file whose name is not a plain path: {printable(ascii(name[:80]))}")
    return folder.joinpath(*parts)
