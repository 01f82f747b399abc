"""Fetch an archive from the first source that delivers it, which only its hash shows.

A folder of pictures is a source, too: it is packed into a tar archive, which has the same hash as long as no name and
no content in the folder changes.
"""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resbench.common.errors import ResbenchError
from resbench.common.files import sha256
from resbench.common.progress import say
from resbench.data.datasets import CUSTOM, identify
from resbench.data.folders import pack_folder
from resbench.data.origin import is_web_address
from resbench.data.partial import Partial, open_partial
from resbench.data.transfer import RateLimit, SlowError, SourceError, TransientError, local_path, plain_reason, receive

ATTEMPTS = 3  # in a row without PROGRESS bytes more
PROGRESS = 1 << 10
PAUSE = 0.5  # seconds before the second attempt, doubled before each later one
PATIENCE = 60.0  # seconds without a byte after which even the last source is given up


def download_archive(
    dest: Path,
    sources: Sequence[str],
    expected_sha256: str | None,
    *,
    min_rate_kb: float,
    window_s: float,
    record: Path | None = None,
) -> dict[str, Any]:
    """Bring an archive to `dest`, which appears only once its hash matched; one that is there and matches is kept.

    A source that fails or is slow is left for the next one. Bytes are kept in DEST.part and continued, in this run or a
    later one, by whichever source comes next. If every source is slow, the fastest of them is used.

    Args:
        dest: File to write.
        sources: http(s) and file:// URLs and paths of archives or folders, in order.
        expected_sha256: 64 hex digits, or None to accept any file, with a warning.
        min_rate_kb: kB/s that a source must keep up in every window.
        window_s: Length of a window, s.
        record: What an earlier call returned, if that is a file: it names the source of an archive that is kept.

    Returns:
        `source` that completed the file, its `sha256`, `bytes`, and whether the hash was `verified`.

    Raises:
        ResbenchError: An argument is wrong, `dest` cannot be written, or every source failed.
    """
    if expected_sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", expected_sha256):
        raise ResbenchError(f"SHA-256 {expected_sha256!r}: 64 hex digits are needed, or `none` to accept any file")
    if not (window_s > 0 and min_rate_kb >= 0):
        raise ResbenchError("--min-rate must not be negative, and --window must be positive")
    if dest.is_dir():
        raise ResbenchError(f"{dest}: is a folder; give the name of the file to write")
    expected = expected_sha256.lower() if expected_sha256 else None
    if expected is None:
        say(f"{dest}: WARNING: no SHA-256 given; it is not checked that this is the right file")
    try:
        if expected and dest.exists():
            actual = sha256(dest)
            if expected == actual:
                return _record(_earlier_source(record, actual) or "already there", dest, actual, expected)
            say(f"{dest}: is not the expected file (SHA-256 {actual}); it will be replaced")
        dest.parent.mkdir(parents=True, exist_ok=True)
        with open_partial(dest) as partial:
            source, actual = _first_good(dest, sources, partial, expected, min_rate_kb * 1000, window_s)
            partial.become(dest)
    except OSError as error:
        raise ResbenchError(
            f"{dest}: cannot be written ({plain_reason(error)}); free space or choose another place"
        ) from error
    result = _record(source, dest, actual, expected)
    say(f"{dest}: {result['bytes']:,} bytes from {source}" + (", SHA-256 as expected" if expected else ""))
    return result


def require_elsewhere(sources: Sequence[str], archive: Path) -> None:
    """Refuse a local source that is the file to write, which Snakemake deletes before, or a folder that it lies in.

    Args:
        sources: As for `download_archive`.
        archive: The file to write.

    Raises:
        ResbenchError: One of them is.
    """
    for source in sources:
        try:
            path = local_path(source)
            inside = path is not None and archive.resolve().is_relative_to(path.resolve())
        except (SourceError, OSError, ValueError):
            continue  # `download` will say why
        if inside:
            raise ResbenchError(
                f"source {source} is or holds {archive}, which every run deletes and writes again; "
                "move your images to another folder, and name that"
            )


def _record(source: str, dest: Path, actual: str, expected: str | None) -> dict[str, Any]:
    return {"source": source, "sha256": actual, "bytes": dest.stat().st_size, "verified": expected is not None}


def _earlier_source(record: Path | None, sha256: str) -> str | None:
    """Return the source in an earlier record of these bytes; None where there is none."""
    try:
        earlier = json.loads(record.read_bytes()) if record else {}
        return str(earlier["source"]) if earlier.get("sha256") == sha256 else None
    except (OSError, ValueError, AttributeError, KeyError):
        return None


def _first_good(
    dest: Path, sources: Sequence[str], partial: Partial, expected: str | None, min_rate: float, window: float
) -> tuple[str, str]:
    """Return the source that completed `partial`, and the hash."""
    if expected and partial.size and sha256(partial.path) == expected:  # an earlier run was killed just before its end
        return without_password(partial.origin.url) if partial.origin else "an earlier run", expected
    if partial.size:
        say(f"{dest}: continuing after {partial.size:,} bytes of an earlier run")
    reasons: list[str] = []
    slow: list[tuple[float, str]] = []
    for source in sources:
        try:
            return without_password(source), _fetch(source, partial, RateLimit(min_rate, window), expected)
        except SourceError as error:
            if isinstance(error, SlowError):
                slow.append((error.rate, source))
            reasons.append(_reason(source, error))
    for _, source in sorted(slow, reverse=True):
        say(f"{without_password(source)}: slow, but no source is faster")
        try:
            return without_password(source), _fetch(source, partial, RateLimit(0, PATIENCE), expected)
        except SourceError as error:
            reasons.append(_reason(source, error))
    listed = "".join(f"\n  {reason}" for reason in reasons)
    raise ResbenchError(
        f"{dest}: no source delivered it{listed}\n"
        "Get the archive by other means and name its path first in data.sources (on the command line: --source), "
        "or run the demo, which needs no network: make demo"
    )


def _reason(source: str, error: SourceError) -> str:
    reason = f"{without_password(source)}: {error}"
    say(reason)
    return reason


def _fetch(source: str, partial: Partial, limit: RateLimit, expected: str | None) -> str:
    """Complete `partial` from one source and return its hash, which is the expected one if there is one."""
    folder = local_path(source)
    if folder is not None and folder.is_dir():
        return _pack(folder, partial, expected)
    failures, from_scratch = 0, False
    while True:
        before = partial.size
        try:
            continued = receive(source, partial, limit, mix=expected is not None)
        except TransientError as error:
            failures = 0 if partial.size >= before + PROGRESS else failures + 1
            if failures == ATTEMPTS:
                if expected and sha256(partial.path) == expected:  # all there, whatever length was announced
                    return expected
                raise SourceError(str(error)) from error
            time.sleep(PAUSE * 2**failures)
            continue
        actual = sha256(partial.path)
        if expected in (None, actual):
            return actual
        partial.truncate(0)
        if from_scratch or not continued:
            raise SourceError(f"SHA-256 is {actual}, not {expected}{_of_a_dataset(source, expected)}")
        from_scratch = True  # perhaps only what another source sent was wrong
        say(f"{without_password(source)}: SHA-256 does not match after resuming; starting from the beginning")


def _pack(folder: Path, partial: Partial, expected: str | None) -> str:
    """Pack a folder of pictures and return the archive's hash."""
    partial.truncate(0)
    partial.stream.seek(0)  # from where tarfile counts
    try:
        pack_folder(folder, partial.stream)
    except (OSError, ValueError) as error:
        partial.truncate(0)
        named = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        raise SourceError(named + plain_reason(error)) from error
    actual = sha256(partial.path)
    if expected in (None, actual):
        return actual
    partial.truncate(0)
    raise SourceError(f"SHA-256 of its contents is {actual}, not {expected}{_of_a_dataset(str(folder), expected)}")


def _of_a_dataset(source: str, sha256: str | None) -> str:
    """Return what to do where the user's own images were compared with the hash of a dataset; empty for others."""
    record = identify(sha256)
    if record is CUSTOM or local_path(source) is None:
        return ""
    return f", that of {record.title}; for your own images, set data.dataset: custom (--dataset custom)"


def without_password(source: str) -> str:
    """Return a source as it may be printed and recorded.

    Args:
        source: A URL or path.

    Returns:
        The source without user name and password and, of a web address, without its query, which may hold a token.
    """
    shown = re.sub(r"(?<=://)[^/]*@", "", source)  # a password may hold @, ? and #, too
    return re.split(r"[?#]", shown)[0] if is_web_address(shown) else shown
