"""Read an archive of images: batches in a layout of CIFAR-10 or CIFAR-100, arrays (.npz), or pictures in folders.

The archive is untrusted, whatever its hash: see `containers`, `unpickle` and `pictures` for what is refused there.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from resbench.common.errors import ResbenchError
from resbench.data.arrays import read_npz, stem_of_array
from resbench.data.containers import RESAVE, UNPACK, Entry, entries
from resbench.data.errors import ArchiveError, DamagedError, printable
from resbench.data.folders import MAX_PICTURES, PictureFolder, is_hidden, is_picture
from resbench.data.layouts import LAYOUTS, ROW_BYTES, TEST, Batch, Layout
from resbench.data.origin import Origin
from resbench.data.store import Split
from resbench.data.streams import Budget, Hash

MAX_IMAGES = 120_000  # of an archive of batches; CIFAR-10 and CIFAR-100 have 60,000
MAX_SMALL = 1 << 18  # bytes of class names
MAX_MEMBERS = 2 * MAX_PICTURES
MAX_UNPACKED = MAX_IMAGES * ROW_BYTES + 16 * MAX_SMALL
# Files that belong to no layout but are named as if they held images: skipping them silently would lose images.
LOOKS_LIKE_IMAGES = re.compile(
    r".*batch.*|(train|test|val|valid|validation)(\..*)?|.*\.(bin|mat|npy|npz|h5|hdf5|parquet|arrow|tfrecord|pkl|pickle)",
    re.IGNORECASE,
)

ARCHIVES = (".tar", ".tgz", ".gz", ".xz", ".bz2", ".zip", ".7z", ".rar")

Parsed = TypeVar("Parsed")


class Archive(NamedTuple):
    """Both splits, the name of the layout, the file's hash, and the pictures in it that could not be read."""

    train: Split
    test: Split
    layout: str
    sha256: str
    unreadable: list[str]


def read_archive(path: Path, origin: Origin | None = None, *, classes: Collection[str] | None = None) -> Archive:
    """Decompress, check and rearrange an archive in one pass.

    Args:
        path: A .tar (plain, .gz, .xz or .bz2), .zip or .npz file.
        origin: Where it came from, which decides what a message advises; None for a file of the user's.
        classes: For a further test set, the classes that there are: pictures are then read as from a folder, all of
            them for testing.

    Returns:
        Its images.

    Raises:
        ResbenchError: The file is missing, damaged, hostile, or in a layout that is not supported.
    """
    if path.is_dir():
        raise ResbenchError(
            f"{path}: is a folder; pack it with `resbench download ARCHIVE --dataset custom --source {path}`"
        )
    origin = origin or Origin(str(path), downloaded=False)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream, ThreadPoolExecutor(2) as pool:
            budget = Budget(MAX_UNPACKED)
            content = _Reader(pool, budget, classes).read(entries(stream, path, ParallelHash(digest, pool), budget))
        return content._replace(sha256=digest.hexdigest())
    except FileNotFoundError as error:
        raise ResbenchError(f"{path}: no such file; get the archive with `resbench download`") from error
    except OSError as error:
        raise ResbenchError(
            f"{path}: cannot be read ({error.strerror}); correct its permissions, or copy it again"
        ) from error
    except ArchiveError as error:
        raise ResbenchError(origin.message(path, error)) from error


class ParallelHash:
    """Hashes one piece while the next is read, on another core: hashlib releases Python's lock."""

    def __init__(self, digest: Hash, pool: ThreadPoolExecutor) -> None:
        self._digest, self._pool = digest, pool
        self._last: Future[None] | None = None

    def update(self, data: bytes) -> None:
        """Hash the next piece.

        Args:
            data: The bytes.
        """
        if self._last:
            self._last.result()
        self._last = self._pool.submit(self._digest.update, data)


class _Reader:
    """Sorts the files of an archive by their content, and reads them."""

    def __init__(self, pool: ThreadPoolExecutor, budget: Budget, classes: Collection[str] | None) -> None:
        self._pool, self._budget, self._classes = pool, budget, classes
        self._names: list[str] = []
        self._batches: dict[int, Future[Batch]] = {}
        self._seen: dict[str, Layout] = {}
        self._arrays: dict[str, bytes] = {}
        self._pictures = PictureFolder()
        self._unknown = self._hidden = ""  # the first of them

    def read(self, files: Iterator[Entry]) -> Archive:
        for number, entry in enumerate(files, 1):
            if number > MAX_MEMBERS:
                raise ArchiveError(f"has more than {MAX_MEMBERS:,} files")
            self._take(entry)
        kinds = [bool(self._seen), bool(self._arrays), len(self._pictures) > 0]
        if sum(kinds) > 1:
            raise ArchiveError("mixes batches, arrays and pictures; only one kind is read")
        if self._unknown and any(kinds[:2]):
            other = RESAVE if self._arrays else "rename it to continue the numbers of the other batches"
            raise ArchiveError(
                f"holds {printable(self._unknown)}, which seems to hold images, but does not belong to the layout",
                f"leave it out, or {other}",
            )
        if self._seen:
            return self._join_batches()
        if self._arrays:
            return Archive(*read_npz(self._arrays), "npz", "", [])
        if len(self._pictures) and self._classes is not None:
            test = self._pictures.test_split(self._classes)
            return Archive(Split(test.images[:0], test.labels[:0], test.classes), test, "pictures", "", [])
        if len(self._pictures):
            train, test, unreadable = self._pictures.splits()
            return Archive(train, test, "pictures", "", unreadable)
        remark, advice = "", None
        if self._unknown:
            remark = f"; {printable(self._unknown)} is in no supported layout"
            advice = UNPACK if self._unknown.lower().endswith(ARCHIVES) else RESAVE
        elif self._hidden:
            remark, advice = f"; {printable(self._hidden)} is in a hidden folder", "pack it from inside that folder"
        raise ArchiveError(f"holds no batches of images, no arrays and no pictures{remark}", advice)

    def _take(self, entry: Entry) -> None:
        """Read one file, or skip it, whatever its size.

        Every batch is parsed while the next one is unpacked, which takes as long: zlib releases Python's lock.
        """
        name = entry.name.rpartition("/")[2]
        if is_hidden(entry.name):
            if not is_hidden(name):
                self._hidden = self._hidden or entry.name
            return
        for layout in LAYOUTS:
            number = layout.number(name)
            if number is not None or name == layout.names:
                self._take_member(entry, name, layout, number)
                return
        if stem_of_array(name):
            _limit(entry, MAX_IMAGES * ROW_BYTES)
            if name in self._arrays:
                raise ArchiveError(f"holds {name} twice")
            self._arrays[name] = entry.read()
        elif is_picture(name):
            self._pictures.take(entry, self._budget)
        else:
            if LOOKS_LIKE_IMAGES.fullmatch(name) or name.lower().endswith(ARCHIVES):
                self._unknown = self._unknown or entry.name
            self._pictures.skip(entry.name)

    def _take_member(self, entry: Entry, name: str, layout: Layout, number: int | None) -> None:
        _limit(entry, MAX_SMALL if number is None else layout.max_bytes)
        for seen in self._seen.values():
            if seen is not layout:
                raise ArchiveError(f"mixes the layouts {seen.name} and {layout.name}")
        if name in self._seen:
            raise ArchiveError(f"holds {name} twice")
        self._seen[name] = layout
        content = entry.read()
        if number is None:
            self._names = _member(layout.read_names, name, content, layout)
            return
        for earlier in self._batches.values():
            earlier.result()  # a bad one is refused before more is unpacked, and no queue grows
        self._batches[number] = self._pool.submit(_batch, name, content, layout)

    def _join_batches(self) -> Archive:
        layout = next(iter(self._seen.values()))
        highest = max(self._batches, default=0)
        numbered = {number: name for name, number in layout.batches.items()}
        template = numbered.get(1, "")
        for number in range(len(numbered), highest):
            numbered.setdefault(number, template.replace("1", str(number)))
        missing = [name for number, name in numbered.items() if number not in self._batches]
        missing = [name for name in [layout.names] if name not in self._seen] + missing
        if missing:
            raise DamagedError(f"lacks {', '.join(missing)}", "add what is missing, or give the pictures in folders")
        batches = {number: batch.result() for number, batch in self._batches.items()}
        if sum(len(batch.labels) for batch in batches.values()) > MAX_IMAGES:
            raise ArchiveError(f"has more than {MAX_IMAGES:,} images")
        test = _join([batches.pop(TEST)], self._names, self._pool)
        train = _join([batches.pop(number) for number in sorted(batches)], self._names, self._pool)
        return Archive(train, test, layout.name, "", [])


def _limit(entry: Entry, limit: int) -> None:
    if entry.size > limit:
        raise ArchiveError(f"member {printable(entry.name)} has {entry.size:,} bytes, more than {limit:,}")


def _member(parse: Callable[[bytes, int], Parsed], name: str, content: bytes, layout: Layout) -> Parsed:
    try:
        return parse(content, layout.max_steps)
    except ArchiveError as error:
        raise ArchiveError(f"member {name} {error}", error.advice) from error


def _batch(name: str, content: bytes, layout: Layout) -> Batch:
    batch = _member(layout.read_batch, name, content, layout)
    if not 0 < len(batch.rows) <= layout.max_rows:
        raise ArchiveError(f"member {name} has {len(batch.rows):,} images, not 1 to {layout.max_rows:,}")
    if len(batch.labels) != len(batch.rows):
        raise ArchiveError(f"member {name} has {len(batch.rows):,} images, but {len(batch.labels):,} labels")
    return batch


def _join(batches: list[Batch], names: list[str], pool: ThreadPoolExecutor) -> Split:
    """Return one split of all batches, images as HWC; two threads copy, since numpy releases Python's lock."""
    labels = np.concatenate([batch.labels for batch in batches])
    if labels.max() >= len(names):
        raise ArchiveError(f"has label {labels.max()}, but only {len(names)} class names")
    images = np.empty((len(labels), 32 * 32, 3), np.uint8)
    places = np.split(images, np.cumsum([len(batch.labels) for batch in batches])[:-1])
    list(pool.map(_move, places, [batch.rows for batch in batches]))
    return Split(images.reshape(-1, 32, 32, 3), labels, np.array(names))


def _move(images: NDArray[np.uint8], rows: NDArray[np.uint8]) -> None:
    for channel in range(3):
        images[:, :, channel] = rows[:, channel * 1024 : (channel + 1) * 1024]
