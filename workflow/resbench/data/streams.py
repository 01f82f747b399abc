"""Decompress untrusted .gz, .xz and .bz2 files as streams: one pass, bounded memory."""

import bz2
import lzma
import zlib
from typing import BinaryIO, Protocol

from resbench.data.errors import ArchiveError, DamagedError

CHUNK = 1 << 20
XZ_MEMORY = 256 << 20  # bytes; `xz -9` needs 65 MiB, and a header may claim 4 GiB


class Hash(Protocol):
    """Anything that takes bytes to hash them."""

    def update(self, data: bytes, /) -> None:
        """Hash the next bytes.

        Args:
            data: The bytes.
        """


class Budget:
    """Counts how many bytes may still be unpacked: a small archive can claim any number of them."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def spend(self, count: int) -> None:
        """Count bytes that are unpacked.

        Args:
            count: Their number.

        Raises:
            ArchiveError: They are too many.
        """
        self.left -= count
        if self.left < 0:
            raise ArchiveError("unpacks to more than this layout can hold")


class Codec(Protocol):
    """One compressed stream of a file.

    Attributes:
        ended: Whether the stream is complete.
        rest: Input that was not used.
        hungry: Whether it needs input to give more.
    """

    ended: bool
    rest: bytes
    hungry: bool

    def feed(self, data: bytes, size: int) -> bytes:
        """Decompress.

        Args:
            data: Compressed input.
            size: The most bytes to return.

        Returns:
            Decompressed bytes.
        """


class Gzip:
    """A member of a .gz file."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self.ended, self.rest, self.hungry = False, b"", True

    def feed(self, data: bytes, size: int) -> bytes:
        """Decompress; see `Codec.feed`.

        Args:
            data: Compressed input.
            size: The most bytes to return.

        Returns:
            Decompressed bytes.
        """
        piece = self._inflate.decompress(data, size)
        self.ended = self._inflate.eof
        self.rest = self._inflate.unused_data if self.ended else self._inflate.unconsumed_tail
        return piece


class _Buffering:
    """A stream of a .bz2 or .xz file; these decompressors keep input that they did not use yet."""

    def __init__(self, decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._decompressor = decompressor
        self.ended, self.rest, self.hungry = False, b"", True

    def feed(self, data: bytes, size: int) -> bytes:
        piece = self._decompressor.decompress(data, size)
        self.ended = self._decompressor.eof
        self.rest = self._decompressor.unused_data if self.ended else b""
        self.hungry = self.ended or self._decompressor.needs_input
        return piece


class Bzip2(_Buffering):
    """A stream of a .bz2 file."""

    def __init__(self) -> None:
        super().__init__(bz2.BZ2Decompressor())


class Xz(_Buffering):
    """A stream of an .xz file."""

    def __init__(self) -> None:
        super().__init__(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY))


class Uncompressed:
    """An uncompressed file: it may end anywhere."""

    def __init__(self) -> None:
        self.ended, self.rest, self.hungry = False, b"", True

    def feed(self, data: bytes, size: int) -> bytes:
        """Return the input; see `Codec.feed`.

        Args:
            data: Input.
            size: The most bytes to return.

        Returns:
            The first bytes of the input.
        """
        self.rest = data[size:]
        return data[:size]


CODECS: dict[bytes, type[Codec]] = {b"\x1f\x8b": Gzip, b"BZh": Bzip2, b"\xfd7zXZ\0": Xz}


class Unpacked:
    """Decompressed bytes of a stream, as many as `budget` allows; every byte read passes through `digest`."""

    def __init__(self, stream: BinaryIO, codec: type[Codec], digest: Hash, budget: Budget) -> None:
        self._stream, self._new_codec, self._digest, self._budget = stream, codec, digest, budget
        self._codec = codec()
        self._input = b""
        self._begun = False

    def read(self, size: int) -> bytes:
        """Return exactly so many bytes.

        Args:
            size: Their number.

        Returns:
            The bytes.

        Raises:
            ArchiveError: The stream ends before, or is corrupt.
        """
        pieces = []
        while size > 0:
            piece = self._some(size)
            if not piece:
                raise DamagedError("ends too early: truncated")
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, size: int) -> None:
        """Read bytes and discard them.

        Args:
            size: Their number.
        """
        while size > 0:
            size -= len(self.read(min(size, CHUNK)))

    def finish(self) -> None:
        """Read to the end, which verifies the checksum.

        Raises:
            ArchiveError: Anything but a tar archive's zero padding follows, or the stream is corrupt.
        """
        while piece := self._some(CHUNK):
            if piece.strip(b"\0"):
                raise ArchiveError("holds data behind its end")

    def _some(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""
        while True:
            if not self._input and self._codec.hungry:
                self._input = self._stream.read(CHUNK)
                self._digest.update(self._input)
                if not self._input and (self._codec.ended or self._new_codec is Uncompressed):
                    return b""
                if not self._input:
                    raise DamagedError("ends too early: truncated" if self._begun else "is empty")
            if self._codec.ended:  # a file may hold several streams, and zeros behind the last
                if not self._input.strip(b"\0"):
                    self._input = b""
                    continue
                self._codec = self._new_codec()
            try:
                piece = self._codec.feed(self._input, size)
            except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as error:
                raise DamagedError("is corrupt") from error
            self._begun = True
            self._input = self._codec.rest
            if piece:
                self._budget.spend(len(piece))
                return piece
