"""Read the files of an untrusted tar or zip archive: one pass, bounded memory, nothing on disk.

`tarfile` reads extension headers of any claimed size into memory, follows them recursively and accepts a truncated
archive; the regular members of an archive of images need none of that.
"""

import codecs
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from resbench.data.errors import ArchiveError, DamagedError, printable
from resbench.data.streams import CHUNK, CODECS, Budget, Codec, Hash, Uncompressed, Unpacked

BLOCK = 512
MAX_EXTENSION = 1 << 16  # bytes of a pax or GNU header: room for times, owners and a long name
MAX_NAME = 4096  # characters, as Linux allows
UTF8 = 0x800  # flag of a zip archive's member
MAX_DIRECTORY = 64 << 20  # bytes of a zip archive's directory, which is read at once
# Of a zip archive with a larger directory: where its second end record is, and the directory's size in that record.
ZIP64_LOCATOR, ZIP64_END = struct.Struct("<8xQ4x"), struct.Struct("<40xQ8x")
HARMLESS = {"mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment", "charset", "hdrcharset"}
REPACK = "repack it as .tar.gz or .zip"
UNPACK = "unpack it once, and name the archive that is in it"
FOLDER = "name the unpacked folder as the source"
RESAVE = "save its images and labels with numpy.savez (x_train, y_train, x_test, y_test), or as pictures in folders"
WEB_PAGE = "a server sent it instead of the file; download the file itself"
# How a file begins, spaces aside: what it is, and what its owner can do.
OTHER_FORMATS = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", REPACK),
    (b"Rar!", "a RAR archive", REPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd file", REPACK),
    (b"\x04\x22\x4d\x18", "an LZ4 file", REPACK),
    (b"\x1f\x9d", "a .Z file", REPACK),
    (b"\x5d\0\0", "an .lzma file", REPACK),
    (b"\x89HDF", "an HDF5 file", RESAVE),
    (b"\x93NUMPY", "a single numpy array", RESAVE),
    (b"MATLAB", "a MATLAB file", RESAVE),
    (b"PAR1", "a Parquet file", RESAVE),
    (b"\x80", "a pickle", RESAVE),
    (b"version https://git-lfs", "a pointer of Git LFS", "get the file that it stands for with `git lfs pull`"),
    (b"<", "a web page", WEB_PAGE),
    (b"{", "a JSON text", WEB_PAGE),
)


class Entry(NamedTuple):
    """A regular file of an archive.

    Attributes:
        name: Its path in the archive.
        size: Its size in bytes.
        read: Returns its content; to be called before the next entry is asked for.
    """

    name: str
    size: int
    read: Callable[[], bytes]


def entries(stream: BinaryIO, path: Path, digest: Hash, budget: Budget) -> Iterator[Entry]:
    """Yield the files of an archive in their order, whatever its format; every byte of it passes through `digest`.

    Args:
        stream: The archive, at its beginning.
        path: Where it is: a zip archive is read from its end.
        digest: Hashes the archive.
        budget: How many bytes may be unpacked.

    Returns:
        An iterator over the files.

    Raises:
        ArchiveError: It is not an archive, or it is hostile or damaged.
    """
    start = stream.read(BLOCK)
    stream.seek(0)
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
        return zip_entries(path, budget)
    return tar_entries(Unpacked(stream, _codec(start), digest, budget))


def _codec(start: bytes) -> type[Codec]:
    """Return the codec of a file that begins with these bytes."""
    if not start:
        raise DamagedError("is empty")
    codec = next((codec for magic, codec in CODECS.items() if start.startswith(magic) or magic.startswith(start)), None)
    if codec:
        return codec
    if not start.strip(b"\0"):
        return Uncompressed  # a tar archive without members
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError) as error:
        if start[257:262] == b"ustar":
            raise ArchiveError("has a damaged tar header") from error
        kind, advice = _other_format(start)
        raise ArchiveError(f"is {kind}, not a .tar, .tar.gz, .tar.xz, .tar.bz2, .zip or .npz file", advice) from error
    return Uncompressed


def _other_format(start: bytes) -> tuple[str, str]:
    """Return what a file that begins with these bytes is, and what to do with it."""
    begin = start.removeprefix(codecs.BOM_UTF8).lstrip()
    for magic, kind, advice in OTHER_FORMATS:
        if begin.startswith(magic):
            return kind, advice
    if start.isascii() and all(chr(byte).isprintable() or chr(byte).isspace() for byte in start):
        return "a text file", "name the archive or folder itself; a server may have sent the text instead of it"
    return "of an unsupported format", REPACK


def tar_entries(stream: Unpacked) -> Iterator[Entry]:
    """Yield the regular files of a tar archive, in order.

    Args:
        stream: The decompressed archive.

    Yields:
        The files.

    Raises:
        ArchiveError: A link, device, sparse file or other special member, an absolute name or one with `..`, an
            extension that changes more than times, owners and the name, or a damaged header.
    """
    long_name: str | None = None
    first = True
    while True:
        block = stream.read(BLOCK)
        if not block.strip(b"\0"):
            if long_name is not None:
                raise DamagedError("ends behind a long name that belongs to no file")
            stream.finish()
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            if block.startswith((*CODECS, b"PK\3\4")):
                raise ArchiveError("is compressed twice", UNPACK) from error
            if first and block[257:262] != b"ustar":
                kind, advice = _other_format(block)
                raise ArchiveError(f"is, unpacked, {kind} instead of a tar archive", advice) from error
            raise DamagedError("has a damaged tar header") from error
        first = False
        shown = printable(info.name)
        if info.size < 0:
            raise ArchiveError(f"member {shown} has a negative size")
        if info.type == tarfile.GNUTYPE_LONGNAME:
            long_name = _name(_extension(stream, shown, info.size).rstrip(b"\0"), shown)
            continue
        if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
            renamed = _pax_name(_extension(stream, shown, info.size), shown, may_rename=info.type == tarfile.XHDTYPE)
            long_name = renamed if renamed is not None else long_name
            continue
        name, long_name = info.name if long_name is None else long_name, None
        check_name(name)
        if info.type == tarfile.DIRTYPE:
            if info.size:
                raise ArchiveError(f"folder {printable(name)} has contents")
        elif info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            content = _Content(stream, info.size)
            yield Entry(name, info.size, content.read)
            content.skip()
            stream.skip(-info.size % BLOCK)
        elif info.type in (tarfile.LNKTYPE, tarfile.SYMTYPE):
            raise ArchiveError(f"member {printable(name)} is a link", FOLDER)
        else:
            kind = printable(info.type.decode("latin-1"))
            raise ArchiveError(f"member {printable(name)} is not a plain file (tar type {kind})", FOLDER)


class _Content:
    """The bytes of a member, to be read or skipped."""

    def __init__(self, stream: Unpacked, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self) -> bytes:
        size, self._left = self._left, 0
        return self._stream.read(size) if size else b""

    def skip(self) -> None:
        self._stream.skip(self._left)


def check_name(name: str) -> None:
    """Refuse a member's name that could lead out of the archive.

    Args:
        name: The name.

    Raises:
        ArchiveError: It is empty or absolute, or contains `..`.
    """
    if not name or name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        raise ArchiveError(f"member {printable(name)} points outside the archive", FOLDER)


def _extension(stream: Unpacked, shown: str, size: int) -> bytes:
    if size > MAX_EXTENSION:
        raise ArchiveError(f"member {shown} is an extended header of {size:,} bytes")
    content = stream.read(size) if size else b""
    stream.skip(-size % BLOCK)
    return content


def _name(content: bytes, shown: str) -> str:
    name = content.decode("utf-8", "surrogateescape")
    if not 0 < len(name) <= MAX_NAME or "\0" in name:
        raise ArchiveError(f"member {shown} is a damaged extended header")
    return name


def _pax_name(content: bytes, shown: str, *, may_rename: bool) -> str | None:
    r"""Return the name that pax records give to the next member, None where they give none.

    Records are `LENGTH KEY=VALUE\n`; those that resize or redirect a member are refused.
    """
    path = None
    while content:
        length, _, _ = content.partition(b" ")
        end = int(length) if length.isdigit() and len(length) <= 5 else 0
        record = content[len(length) + 1 : end]
        if not record.endswith(b"\n") or b"=" not in record:
            raise ArchiveError(f"member {shown} is a damaged extended header")
        raw_key, _, value = record[:-1].partition(b"=")
        key = raw_key.decode("latin-1")
        if key == "path" and may_rename:
            path = _name(value, shown)
        elif key not in HARMLESS and not key.startswith(("LIBARCHIVE.", "SCHILY.")):
            raise ArchiveError(f"member {shown} is an extended header that sets {printable(key)}", FOLDER)
        content = content[end:]
    return path


def zip_entries(path: Path, budget: Budget) -> Iterator[Entry]:
    """Yield the regular files of a zip archive, in the order of its directory.

    Args:
        path: The archive.
        budget: How many bytes may be unpacked.

    Yields:
        The files.

    Raises:
        ArchiveError: A link, an encrypted member, an absolute name or one with `..`, a compression other than deflate,
            or a damaged archive.
    """
    _check_directory(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                written = _zip_name(info)
                shown = printable(written)
                check_name(written)
                kind = stat.S_IFMT(info.external_attr >> 16)
                name = written.replace("\\", "/")  # as some programs for Windows write it
                if name.endswith("/"):
                    continue
                if kind not in (0, stat.S_IFREG):
                    raise ArchiveError(f"member {shown} is a link or a special file", FOLDER)
                if info.flag_bits & 1:
                    raise ArchiveError(f"member {shown} is encrypted", REPACK)
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ArchiveError(f"member {shown} is compressed in an unusual way", REPACK)
                yield Entry(name, info.file_size, lambda info=info: _zip_content(archive, info, budget))  # type: ignore[misc]
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error, OverflowError) as error:
        raise DamagedError("is a damaged zip archive") from error


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name, which macOS's Finder writes as UTF-8 without the flag that says so."""
    if info.flag_bits & UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _check_directory(path: Path) -> None:
    """Refuse an archive whose directory, which `zipfile` holds in memory, is huge."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - (1 << 16) - ZIP64_LOCATOR.size - 22))
        start, tail = stream.tell(), stream.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) < at + 22:
            raise DamagedError("ends too early: truncated")
        (length,) = struct.unpack_from("<I", tail, at + 12)
        locator = tail[max(0, at - ZIP64_LOCATOR.size) : at]
        if len(locator) == ZIP64_LOCATOR.size and locator.startswith(b"PK\6\7"):
            # The record that it names, or the one right before it: which of them zipfile reads depends on its version.
            (named,) = ZIP64_LOCATOR.unpack(locator)
            before = start + at - ZIP64_LOCATOR.size - ZIP64_END.size
            for place in {min(named, size), max(before, 0)}:
                stream.seek(place)
                record = stream.read(ZIP64_END.size)
                if len(record) == ZIP64_END.size and record.startswith(b"PK\6\6"):
                    length = max(length, *ZIP64_END.unpack(record))
    if length > MAX_DIRECTORY:
        raise ArchiveError("has more members than a zip archive of images needs", "repack it as .tar.gz")


def _zip_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> bytes:
    budget.spend(info.file_size)
    try:
        with archive.open(info) as stream:
            content = stream.read(info.file_size)
            stream.read(1)  # compares the checksum, also of an empty file
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise DamagedError(f"member {printable(info.filename)} is corrupt") from error
    if len(content) != info.file_size:
        raise DamagedError(f"member {printable(info.filename)} is corrupt")
    return content
