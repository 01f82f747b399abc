"""Fetch bytes from one source, web or file, into an unfinished download."""

import io
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException, IncompleteRead, responses
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import urllib3

from resbench.common.errors import one_line
from resbench.common.progress import Progress
from resbench.data.partial import Partial, RemoteFile

CHUNK = 1 << 16
MAX_BYTES = 1 << 31  # CIFAR-10 has 170 MB: a server that sends more than this has something else
CONNECT_SECONDS = 10.0
NO_ADDRESS = "no valid address"  # without the error's text, which may quote a password


class SourceError(Exception):
    """A source cannot deliver the archive; the next one is tried."""


class TransientError(SourceError):
    """A failure that may be over at the next attempt."""


class SlowError(SourceError):
    """A source is slower than required; `rate` is in bytes/s."""

    def __init__(self, rate: float) -> None:
        super().__init__(f"too slow ({rate / 1000:.0f} kB/s)")
        self.rate = rate


class Readable(Protocol):
    """A stream of bytes."""

    def read1(self, size: int, /) -> bytes:
        """Read once.

        Args:
            size: The most bytes to return.

        Returns:
            Bytes; empty at the end.
        """


class Response(NamedTuple):
    """A source's bytes from a position on.

    Attributes:
        stream: The bytes.
        start: The position.
        origin: The file that they are of.
    """

    stream: Readable
    start: int
    origin: RemoteFile


class RateLimit:
    """Raises SlowError when fewer than `minimum` bytes a second came over `window` seconds, waiting included."""

    def __init__(self, minimum: float, window: float) -> None:
        self.minimum, self.window = minimum, window
        self.start, self.bytes = time.monotonic(), 0

    def stalled(self) -> SourceError:
        """Return the error for a source that sent nothing for a complete window.

        Returns:
            The error.
        """
        return SlowError(0.0) if self.minimum else TransientError(f"sent nothing for {self.window:.0f} s")

    def add(self, count: int) -> None:
        """Count bytes that arrived.

        Args:
            count: Their number.

        Raises:
            SlowError: The source was too slow over the last window.
        """
        self.bytes += count
        seconds = time.monotonic() - self.start
        if seconds >= self.window:
            if self.bytes < self.minimum * seconds:
                raise SlowError(self.bytes / seconds)
            self.start, self.bytes = time.monotonic(), 0


def local_path(source: str) -> Path | None:
    """Return the file that a source names.

    Args:
        source: A path or URL.

    Returns:
        The path; None for a web address.

    Raises:
        SourceError: It is empty, or an invalid URL, or of a kind that is not supported, or in an unknown home folder.
    """
    try:
        scheme, host, path, *_ = urlsplit(source)
    except ValueError as error:
        raise SourceError(NO_ADDRESS) from error
    if scheme in ("http", "https"):
        return None
    if scheme == "file":
        if host not in ("", "localhost"):
            raise SourceError("a file:// URL with a host; write file:///PATH")
        return Path(url2pathname(path))
    if "://" in source:
        raise SourceError(f"{scheme}:// is not supported; use http, https, file or a plain path")
    if not source:
        raise SourceError("an empty name; name a file or a folder")
    try:
        return Path(source).expanduser()
    except RuntimeError as error:
        raise SourceError("there is no such user; write the complete path") from error


def receive(source: str, partial: Partial, limit: RateLimit, *, mix: bool) -> bool:
    """Fetch the bytes that a download lacks, in one request if the source supports it.

    If it does not (it ignores Range, or its file has changed), everything is read again and compared with the bytes
    that are already there; they are replaced only from a difference on.

    Args:
        source: URL or path.
        partial: The unfinished download.
        limit: How slow the source may be.
        mix: Whether bytes of unknown or other origin may be continued; then the complete file's hash must be checked.

    Returns:
        Whether earlier bytes were continued without a comparison.

    Raises:
        SourceError: The source cannot deliver, or contradicts itself. A TransientError is worth another attempt; for a
            SlowError see RateLimit. Bytes that arrived before are kept.
    """
    old = partial.origin
    if not mix and (old is None or old.url != source or not old.validator):
        partial.truncate(0)
    with ExitStack() as stack:
        response = stack.enter_context(_open(source, partial.size, limit))
        if response.start and old and _contradicts(old, response.origin):
            response = stack.enter_context(_open(source, 0, limit))
        if local_path(source) is None and (response.origin.total or 0) > MAX_BYTES:
            raise SourceError(f"announces {response.origin.total:,} bytes, too many for this archive")
        partial.begin(response.origin)
        _copy(response, partial, limit)
        return response.start > 0


def _contradicts(old: RemoteFile, new: RemoteFile) -> bool:
    """Return whether two files differ: mirrors may date the same file differently, but lengths must agree."""
    lengths = old.total is not None and new.total is not None and old.total != new.total
    return lengths or (old.url == new.url and old.validator != new.validator)


def _copy(response: Response, partial: Partial, limit: RateLimit) -> None:
    start, total = response.start, response.origin.total
    position, begun = start, time.monotonic()
    progress = Progress("download", already=start / total if total else 0.0)
    try:
        while data := _read(response.stream, limit):
            position += len(data)
            if position > (total or MAX_BYTES):
                partial.truncate(start)
                raise SourceError(f"sends more than {total or MAX_BYTES:,} bytes")
            partial.write(position - len(data), data)
            if total:
                speed = (position - start) / max(time.monotonic() - begun, 1e-3)
                progress.update(position / total, f"of {total / 1e6:.1f} MB at {speed / 1e6:.2f} MB/s")
            if position != total:
                limit.add(len(data))
    finally:
        progress.clear()
    if total is not None and position < total:
        raise TransientError(f"ended after {position:,} of {total:,} bytes")
    partial.truncate(position)


def _read(stream: Readable, limit: RateLimit) -> bytes:
    try:
        return stream.read1(CHUNK)
    except (urllib3.exceptions.ReadTimeoutError, TimeoutError) as error:
        raise limit.stalled() from error
    except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
        raise TransientError(plain_reason(error)) from error


@contextmanager
def _open(source: str, offset: int, limit: RateLimit) -> Iterator[Response]:
    """Yield the source's bytes from `offset` on, or all of them where it cannot begin there."""
    path = local_path(source)
    if path is None:
        response, close = _ask(source, offset, limit)
    else:
        response, close = _open_file(path, source, offset)
    try:
        yield response
    finally:
        close()


def _open_file(path: Path, source: str, offset: int) -> tuple[Response, Callable[[], None]]:
    try:
        if not path.is_file():  # a pipe would block, a device never end
            raise SourceError("is no plain file" if path.exists() else "no such file")
        stream = path.open("rb")
        state = os.fstat(stream.fileno())
        start = offset if offset <= state.st_size else 0
        stream.seek(start)
    except (OSError, ValueError) as error:
        raise SourceError(plain_reason(error)) from error
    return Response(stream, start, RemoteFile(source, str(state.st_mtime_ns), state.st_size)), stream.close


def _ask(url: str, offset: int, limit: RateLimit) -> tuple[Response, Callable[[], None]]:
    # Without Accept-Encoding some servers mark a .gz as an encoding to undo, which changes its bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        reply = requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, limit.window))
    except requests.ReadTimeout as error:
        raise limit.stalled() from error
    except requests.ConnectTimeout as error:
        raise SourceError(f"no connection within {CONNECT_SECONDS:.0f} s") from error
    except requests.ConnectionError as error:
        raise TransientError(plain_reason(error)) from error
    except requests.exceptions.InvalidProxyURL as error:
        raise SourceError("the environment names a proxy, such as in https_proxy, that is no valid address") from error
    except requests.exceptions.InvalidURL as error:
        raise SourceError(NO_ADDRESS) from error
    except (OSError, ValueError) as error:  # all of requests' own, and a missing file that REQUESTS_CA_BUNDLE names
        raise SourceError(plain_reason(error)) from error
    try:
        response = _understand(reply, url, offset)
    except SourceError:
        reply.close()
        raise
    if response is None:
        reply.close()
        return _ask(url, 0, limit)
    return response, reply.close


def _understand(reply: requests.Response, url: str, offset: int) -> Response | None:
    """Return a reply's bytes; None where they begin neither at `offset` nor at the beginning."""
    code, length = reply.status_code, reply.headers.get("Content-Length", "")
    validator = reply.headers.get("ETag") or reply.headers.get("Last-Modified")
    if code == 206 and offset:
        match = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", reply.headers.get("Content-Range", ""))
        first, last, total = map(int, match.groups()) if match else (-1, -1, -1)
        complete = first == offset and last == total - 1
        if not complete or (length.isdecimal() and int(length) != total - first):
            return None
        return Response(reply.raw, offset, RemoteFile(url, validator, total))
    if code == 416 and offset:
        if reply.headers.get("Content-Range") != f"bytes */{offset}":
            return None
        return Response(io.BytesIO(), offset, RemoteFile(url, validator, offset))
    if code != 200:
        kind = TransientError if code >= 500 or code == 429 else SourceError
        raise kind(f"HTTP {code} {responses.get(code, '')}".strip())
    if reply.headers.get("Content-Type", "").startswith("text/html"):
        raise SourceError("sends a web page instead of a file")  # a login page of the network, often
    return Response(
        reply.raw, 0, RemoteFile(url, validator, int(length) if re.fullmatch(r"\d{1,18}", length) else None)
    )


def plain_reason(error: BaseException) -> str:
    """Return the innermost cause of an error in a few words: requests wraps it three times.

    Args:
        error: The error.

    Returns:
        The cause.
    """
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    if isinstance(error, IncompleteRead):
        return "the connection ended early"
    return getattr(error, "strerror", None) or one_line(error)
