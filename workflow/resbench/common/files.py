"""Files: outputs appear complete or not at all."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from resbench.common.errors import ResbenchError, one_line

CHECKSUMS = "SHA256SUMS"  # hashes of the files of a folder
LARGEST_INTEGER = 2**63 - 1  # in a JSON file: others cannot be computed with
DEEPEST = 100  # levels of a JSON file


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path next to `path`, which gets its final name when the block ends without an error.

    The temporary file keeps the suffix of `path`, since some writers choose their format by it. It is removed when the
    block raises, KeyboardInterrupt included. A killed process leaves at most a hidden file `.NAME.*`, never an
    incomplete `path`.

    Args:
        path: The file to write; its folder is made.

    Yields:
        The temporary path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp's 0600 would lock out a cluster's other users
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder next to `path`, which gets its final name when the block ends without an error.

    Args:
        path: The folder to write, which must not exist or be empty: nothing is ever overwritten.

    Yields:
        The temporary folder.

    Raises:
        ResbenchError: `path` exists and is not an empty folder.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ResbenchError(f"{path}: exists already; delete it, or name another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_writable(*paths: Path) -> None:
    """Refuse files that cannot be written, before the work whose results they are to hold.

    Args:
        paths: The files.

    Raises:
        ResbenchError: One is a folder, or the nearest of its folders that exists is not a folder, or is read-only.
    """
    for path in paths:
        if path.is_dir():
            raise ResbenchError(f"{path}: is a folder; name a file")
        folder = next(parent for parent in path.absolute().parents if os.path.exists(parent))
        if not folder.is_dir():
            raise ResbenchError(f"{path}: {folder} is not a folder; name another file")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ResbenchError(f"{path}: {folder} may not be written to; name a file in another folder")


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def expand_home(path: str | Path) -> Path:
    """Return a path in which `~` and `~USER` at the beginning are the home folder.

    Args:
        path: The path.

    Returns:
        The path without them.

    Raises:
        ResbenchError: There is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ResbenchError(f"{path}: there is no such user; write the complete path") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, completely or not at all.

    Args:
        path: The file to write.
        text: Its content, written as UTF-8.
    """
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, completely or not at all.

    Args:
        path: The file to write.
        value: What JSON can hold.

    Raises:
        ValueError: It holds NaN or infinity, which other readers do not accept.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        ResbenchError: The file is missing, is not JSON, or holds what no stage writes and no reader could use: a larger
            integer, or deeper levels, than any file of a run.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_int=_integer)
        _refuse_deep(content)
        return content
    except FileNotFoundError as error:
        raise ResbenchError(f"{path}: no such file; run its stage") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ResbenchError(
            f"{path}: cannot be read as JSON ({one_line(error)}); delete it and run its stage again"
        ) from error


def read_object(path: Path, command: str) -> dict[str, Any]:
    """Read a JSON file whose content is an object.

    Args:
        path: The file.
        command: The sub-command and option that write such a file, for the message: `export --parity`.

    Returns:
        The object.

    Raises:
        ResbenchError: It is not an object, or see `read_json`.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ResbenchError(f"{path}: not what `resbench {command}` writes; run it again")
    return content


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) > LARGEST_INTEGER:
        raise ValueError(f"a number of {len(text)} digits")
    return value


def _refuse_deep(content: Any) -> None:
    level = [content]
    for _ in range(DEEPEST):
        lists = [list(one.values()) if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [part for parts in lists for part in parts]
    if level:
        raise ValueError(f"more than {DEEPEST} levels")


def checksum_lines(files: Mapping[Path, Path], folder: Path) -> str:
    """Return a line for each file, as `sha256sum --check` reads them in a folder.

    Args:
        files: Where each file will be, and where it is now.
        folder: What the paths in the lines are relative to.

    Returns:
        The lines, each with its line break.
    """
    return "".join(f"{sha256(now)}  {_relative(path, folder).as_posix()}\n" for path, now in files.items())


def _relative(path: Path, folder: Path) -> Path:
    """Return where a file is, seen from a folder, which may be a link: what is outside of it is so of its target."""
    if path.is_relative_to(folder):
        return path.relative_to(folder)
    return Path(os.path.relpath(path.resolve(), folder.resolve()))


def write_checksums(path: Path, files: Iterable[Path]) -> None:
    """Write a SHA256SUMS file of these files, in their order.

    Args:
        path: The file to write, which `sha256sum --check` reads in its folder.
        files: The files, inside or outside of that folder.
    """
    write_text(path, checksum_lines({file: file for file in files}, path.parent))


def read_checksums(path: Path, *, outside: bool = False) -> dict[str, str]:
    """Read a SHA256SUMS file.

    Args:
        path: The file.
        outside: Whether paths may lead out of its folder, as those of timings from other machines do.

    Returns:
        Hashes by the files' relative paths, in the order of the file.

    Raises:
        ResbenchError: The file is missing or malformed, or a path leads out of its folder.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{path}: cannot be read ({one_line(error)})") from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if not match:
            raise ResbenchError(f"{path}: line {number} is not a SHA-256 and a path")
        digest, name = match.groups()
        if PurePosixPath(name).is_absolute() or (not outside and ".." in PurePosixPath(name).parts):
            raise ResbenchError(f"{path}: line {number} names a file outside of its folder")
        hashes[name] = digest
    return hashes


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Args:
        path: The file.

    Returns:
        64 hex digits.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
