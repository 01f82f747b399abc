"""An untrusted .tar.gz as a stream: one pass, bounded memory, nothing on disk.

`tarfile` reads extension headers of any claimed size into memory, follows them recursively and
takes a truncated archive for a short one; the few plain members of CIFAR-10 need none of that.
"""

import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

BLOCK = 512
CHUNK = 1 << 20
MAX_EXTENSION = 1 << 16  # bytes of a pax header: room for times and owners, which are all that is let through
HARMLESS = {"mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment", "charset", "hdrcharset"}


class ArchiveError(ValueError):
    """What is wrong with the archive, in words; the caller adds its name."""


class Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


class Gunzip:
    """Decompressed bytes of a gzip stream, at most `limit` of them; every byte read passes through `digest`."""

    def __init__(self, stream: BinaryIO, digest: Hash, limit: int) -> None:
        self._stream, self._digest, self._left = stream, digest, limit
        self._inflate = zlib.decompressobj(wbits=31)
        self._input = b""
        self._begun = False

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes.  Raises ArchiveError where the stream ends or is corrupt before."""
        pieces = []
        while size > 0:
            piece = self._some(size)
            if not piece:
                raise ArchiveError("ends too early: truncated")
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.read(min(size, CHUNK)))

    def finish(self) -> None:
        """Read to the end, which verifies gzip's checksum; only a tar's zero padding may be left."""
        while piece := self._some(CHUNK):
            if piece.strip(b"\0"):
                raise ArchiveError("holds data behind its end")

    def _some(self, size: int) -> bytes:
        """1 to `size` bytes, or none at the end."""
        while True:
            if not self._input:
                self._input = self._stream.read(CHUNK)
                self._digest.update(self._input)
            if self._inflate.eof:  # gzip allows several members, and zeros behind the last
                if not self._input:
                    return b""
                if not self._input.strip(b"\0"):
                    self._input = b""
                    continue
                self._inflate = zlib.decompressobj(wbits=31)
            if not self._input:
                raise ArchiveError("ends too early: truncated" if self._begun else "is empty")
            try:
                piece = self._inflate.decompress(self._input, size)
            except zlib.error as error:
                raise ArchiveError("is corrupt" if self._begun else "is not a gzip file") from error
            self._begun = True
            self._input = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if piece:
                self._left -= len(piece)
                if self._left < 0:
                    raise ArchiveError("unpacks to more than this layout can hold")
                return piece


class Member(NamedTuple):
    """A regular file of the archive.  Its `size` bytes must be read or skipped before the next one is asked for."""

    name: str
    size: int


def members(stream: Gunzip) -> Iterator[Member]:
    """Headers of the regular files, in order.

    Raises:
        ArchiveError: a link, device, sparse file or other special member, an absolute name or one
            with `..`, an extension that changes more than times and owners, or a damaged header.
    """
    while True:
        block = stream.read(BLOCK)
        if not block.strip(b"\0"):
            stream.finish()
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise ArchiveError("has a damaged tar header") from error
        name = printable(info.name)
        if info.size < 0:
            raise ArchiveError(f"member {name} has a negative size")
        if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
            _check_extension(stream, name, info.size)
        elif not info.name or info.name.startswith(("/", "\\")) or ".." in info.name.replace("\\", "/").split("/"):
            raise ArchiveError(f"member {name} points outside the archive")
        elif info.type == tarfile.DIRTYPE:
            if info.size:
                raise ArchiveError(f"folder {name} has contents")
        elif info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            yield Member(info.name, info.size)
            if info.size % BLOCK:
                stream.read(BLOCK - info.size % BLOCK)
        elif info.type in (tarfile.LNKTYPE, tarfile.SYMTYPE):
            raise ArchiveError(f"member {name} is a link")
        else:
            raise ArchiveError(f"member {name} is not a plain file (tar type {printable(info.type.decode('latin-1'))})")


def printable(text: str) -> str:
    """Untrusted text for a message: quoted, escaped and short."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")


def _check_extension(stream: Gunzip, name: str, size: int) -> None:
    """Pax records are `LENGTH KEY=VALUE\\n`; those that rename, resize or redirect a member are refused."""
    if size > MAX_EXTENSION:
        raise ArchiveError(f"member {name} is an extended header of {size:,} bytes")
    content = stream.read(size)
    stream.skip(-size % BLOCK)
    while content:
        length, _, _ = content.partition(b" ")
        end = int(length) if length.isdigit() and len(length) <= 5 else 0
        record = content[len(length) + 1 : end]
        if not record.endswith(b"\n") or b"=" not in record:
            raise ArchiveError(f"member {name} is a damaged extended header")
        key = record.partition(b"=")[0].decode("latin-1")
        if key not in HARMLESS and not key.startswith(("LIBARCHIVE.", "SCHILY.")):
            raise ArchiveError(f"member {name} is an extended header that sets {printable(key)}")
        content = content[end:]
