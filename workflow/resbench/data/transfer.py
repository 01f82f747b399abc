"""Bring bytes from one source, web or file, into a partial download."""

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
from resbench.data.partial import Origin, Partial

CHUNK = 1 << 16
MAX_BYTES = 1 << 31  # CIFAR-10 has 170 MB: a source that sends more than this has something else
CONNECT_SECONDS = 10.0


class SourceError(Exception):
    """Why a source is left for the next one."""


class TransientError(SourceError):
    """Worth another try at the same source."""


class SlowError(SourceError):
    """Slower than asked for; `rate` in bytes a second."""

    def __init__(self, rate: float) -> None:
        super().__init__(f"too slow ({rate / 1000:.0f} kB/s)")
        self.rate = rate


class Readable(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class Answer(NamedTuple):
    """A source's bytes from `start` on."""

    stream: Readable
    start: int
    origin: Origin


class RateLimit:
    """Raises SlowError when fewer than `minimum` bytes a second came over `window` seconds, waiting included."""

    def __init__(self, minimum: float, window: float) -> None:
        self.minimum, self.window = minimum, window
        self.start, self.bytes = time.monotonic(), 0

    def stalled(self) -> SourceError:
        """The error for a source that sent nothing for a whole window."""
        return SlowError(0.0) if self.minimum else TransientError(f"sent nothing for {self.window:.0f} s")

    def add(self, count: int) -> None:
        self.bytes += count
        seconds = time.monotonic() - self.start
        if seconds >= self.window:
            if self.bytes < self.minimum * seconds:
                raise SlowError(self.bytes / seconds)
            self.start, self.bytes = time.monotonic(), 0


def local_path(source: str) -> Path | None:
    """The file that a path or file:// URL names; None for a web address."""
    try:
        scheme, host, path, *_ = urlsplit(source)
    except ValueError as error:
        raise SourceError(f"no valid address ({error})") from error
    if scheme in ("http", "https"):
        return None
    if scheme == "file":
        if host not in ("", "localhost"):
            raise SourceError("a file:// URL with a host; write file:///PATH")
        return Path(url2pathname(path))
    if "://" in source:
        raise SourceError(f"{scheme}:// is not understood, only http, https, file and plain paths")
    return Path(source).expanduser()


def receive(source: str, partial: Partial, limit: RateLimit, *, mix: bool) -> bool:
    """Bring what is missing behind the bytes of `partial`, in one request if the source goes along.

    Where it does not (it ignores Range, or the file is another one now) all of it is read again, and bytes
    already there are compared: only a difference costs them.

    Args:
        mix: whether bytes of unknown or other origin may be continued, which takes a hash to check the whole.

    Returns:
        Whether bytes of an earlier answer were continued without a look at them.

    Raises:
        SourceError: the source cannot deliver, or contradicts itself; TransientError: try again;
            SlowError: see RateLimit.  What came until then is kept.
    """
    old = partial.origin
    if not mix and (old is None or old.url != source or not old.validator):
        partial.truncate(0)
    with ExitStack() as stack:
        answer = stack.enter_context(_open(source, partial.size, limit))
        if answer.start and old and _contradicts(old, answer.origin):
            answer = stack.enter_context(_open(source, 0, limit))
        if (answer.origin.total or 0) > MAX_BYTES:
            raise SourceError(f"announces {answer.origin.total:,} bytes, too many for this archive")
        partial.begin(answer.origin)
        _copy(answer, partial, limit)
        return answer.start > 0


def _contradicts(old: Origin, new: Origin) -> bool:
    """Mirrors may date the same file differently, but one source must not, and lengths must agree."""
    lengths = old.total is not None and new.total is not None and old.total != new.total
    return lengths or (old.url == new.url and old.validator != new.validator)


def _copy(answer: Answer, partial: Partial, limit: RateLimit) -> None:
    start, total = answer.start, answer.origin.total
    position, begun = start, time.monotonic()
    progress = Progress("download", already=start / total if total else 0.0)
    try:
        while data := _read(answer.stream, limit):
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
def _open(source: str, offset: int, limit: RateLimit) -> Iterator[Answer]:
    """The source's bytes from `offset` on, or all of them where it cannot begin there."""
    path = local_path(source)
    if path is None:
        answer, close = _ask(source, offset, limit)
    else:
        answer, close = _open_file(path, source, offset)
    try:
        yield answer
    finally:
        close()


def _open_file(path: Path, source: str, offset: int) -> tuple[Answer, Callable[[], None]]:
    try:
        if not path.is_file():  # a pipe would block, a device never end
            raise SourceError("is no plain file" if path.exists() else "no such file")
        stream = path.open("rb")
        state = os.fstat(stream.fileno())
        start = offset if offset <= state.st_size else 0
        stream.seek(start)
    except (OSError, ValueError) as error:
        raise SourceError(plain_reason(error)) from error
    return Answer(stream, start, Origin(source, str(state.st_mtime_ns), state.st_size)), stream.close


def _ask(url: str, offset: int, limit: RateLimit) -> tuple[Answer, Callable[[], None]]:
    # Without Accept-Encoding some servers mark a .gz as an encoding to undo, and its bytes would be others.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        reply = requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, limit.window))
    except requests.ReadTimeout as error:
        raise limit.stalled() from error
    except requests.ConnectTimeout as error:
        raise SourceError(f"no connection within {CONNECT_SECONDS:.0f} s") from error
    except requests.ConnectionError as error:
        raise TransientError(plain_reason(error)) from error
    except (requests.RequestException, ValueError) as error:
        raise SourceError(plain_reason(error)) from error
    try:
        answer = _understand(reply, url, offset)
    except SourceError:
        reply.close()
        raise
    if answer is None:
        reply.close()
        return _ask(url, 0, limit)
    return answer, reply.close


def _understand(reply: requests.Response, url: str, offset: int) -> Answer | None:
    """None where the server did not begin at `offset`, nor at the beginning."""
    code, length = reply.status_code, reply.headers.get("Content-Length", "")
    validator = reply.headers.get("ETag") or reply.headers.get("Last-Modified")
    if code == 206 and offset:
        match = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", reply.headers.get("Content-Range", ""))
        first, last, total = map(int, match.groups()) if match else (-1, -1, -1)
        whole = first == offset and last == total - 1
        if not whole or (length.isdecimal() and int(length) != total - first):
            return None
        return Answer(reply.raw, offset, Origin(url, validator, total))
    if code == 416 and offset:
        if reply.headers.get("Content-Range") != f"bytes */{offset}":
            return None
        return Answer(io.BytesIO(), offset, Origin(url, validator, offset))
    if code != 200:
        kind = TransientError if code >= 500 or code == 429 else SourceError
        raise kind(f"HTTP {code} {responses.get(code, '')}".strip())
    if reply.headers.get("Content-Type", "").startswith("text/html"):
        raise SourceError("answers with a web page instead of a file")  # a login page of the network, often
    return Answer(reply.raw, 0, Origin(url, validator, int(length) if re.fullmatch(r"\d{1,18}", length) else None))


def plain_reason(error: BaseException) -> str:
    """The innermost cause in a few words: requests wraps it three times."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    if isinstance(error, IncompleteRead):
        return "the connection ended early"
    return getattr(error, "strerror", None) or one_line(error)
