"""Read an archive in either of CIFAR-10's layouts (https://www.cs.toronto.edu/~kriz/cifar.html).

The archive is untrusted, whatever its hash: see `tarball` and `unpickle` for what is refused there.
"""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from resbench.common.errors import ResbenchError
from resbench.data.store import Split
from resbench.data.tarball import ArchiveError, Gunzip, Hash, members, printable
from resbench.data.unpickle import unpickle

PIXELS = 32 * 32 * 3
MAX_ROWS = 20_000  # of one batch; CIFAR-10's have 10,000
MAX_BATCH = MAX_ROWS * (2 * PIXELS + 256)  # Python 3's protocol 2 doubles high bytes; 256 for a label and a file name
MAX_SMALL = 1 << 18  # bytes of class names, a readme or anything else
MAX_STEPS = 24 * MAX_ROWS  # opcodes of one pickle: a label takes up to 2, a file name up to 11

TEST = 0  # number of the test batch; training batches are 1 to 5

Parsed = TypeVar("Parsed")


class Layout(NamedTuple):
    """Names of an archive's members, in whichever folder they are; `batches` gives each its number."""

    title: str
    names: str
    batches: Mapping[str, int]


LAYOUTS = (
    Layout("python", "batches.meta", {"test_batch": TEST} | {f"data_batch_{k}": k for k in range(1, 6)}),
    Layout("binary", "batches.meta.txt", {"test_batch.bin": TEST} | {f"data_batch_{k}.bin": k for k in range(1, 6)}),
)
LAYOUT_OF = {name: layout for layout in LAYOUTS for name in (layout.names, *layout.batches)}


class Batch(NamedTuple):
    """rows: uint8 (N, 3072), each an image as CHW; labels: uint8 (N,)."""

    rows: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class Archive(NamedTuple):
    train: Split
    test: Split
    layout: str
    sha256: str


class Members(NamedTuple):
    """What was read of the layout's members: class names, and batches by their number."""

    layout: Layout
    names: list[str]
    batches: dict[int, Batch]


def read_archive(path: Path) -> Archive:
    """Decompress, check and rearrange everything in one pass.

    Raises:
        ResbenchError: the file is missing, damaged, hostile, or not in CIFAR-10's layout.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream, ThreadPoolExecutor(2) as beside:
            gunzip = Gunzip(stream, HashBeside(digest, beside), 6 * MAX_BATCH + 6 * MAX_SMALL)
            layout, names, batches = _read_members(gunzip, beside)
            test = _join([batches.pop(TEST)], names, beside)
            train = _join([batches.pop(number) for number in sorted(batches)], names, beside)
        return Archive(train, test, layout.title, digest.hexdigest())
    except OSError as error:
        raise ResbenchError(
            f"{path}: cannot be read ({error.strerror}); get the archive with `resbench download`"
        ) from error
    except ArchiveError as error:
        raise ResbenchError(f"{path}: {error}; delete it and download it again") from error


class HashBeside:
    """Takes a piece while the one before is still being hashed, on another core: hashlib works without Python."""

    def __init__(self, digest: Hash, beside: ThreadPoolExecutor) -> None:
        self._digest, self._beside = digest, beside
        self._last: Future[None] | None = None

    def update(self, data: bytes) -> None:
        if self._last:
            self._last.result()
        self._last = self._beside.submit(self._digest.update, data)


def _read_members(stream: Gunzip, beside: ThreadPoolExecutor) -> Members:
    """Every batch is parsed beside the unpacking of the next one, which needs as long: zlib works without Python."""
    seen: dict[str, Layout] = {}
    names: list[str] = []
    batches: dict[int, Future[Batch]] = {}
    for member in members(stream):
        name = member.name.rpartition("/")[2]
        place = LAYOUT_OF.get(name)
        limit = MAX_BATCH if place and name in place.batches else MAX_SMALL
        if member.size > limit:
            raise ArchiveError(f"member {printable(member.name)} has {member.size:,} bytes, more than {limit:,}")
        if place is None:
            stream.skip(member.size)  # the official readme.html
            continue
        if name in seen:
            raise ArchiveError(f"holds {name} twice")
        seen[name] = place
        content = stream.read(member.size)
        if name == place.names:
            names = _member(_class_names, name, content, place)
        else:
            for earlier in batches.values():
                earlier.result()  # a bad one is refused before more is unpacked, and no queue grows
            batches[place.batches[name]] = beside.submit(_member, _batch, name, content, place)
    if not seen:
        raise ArchiveError("holds no CIFAR-10 batches")
    if len({layout.title for layout in seen.values()}) > 1:
        raise ArchiveError("mixes the Python and the binary layout")
    layout = next(iter(seen.values()))
    missing = [name for name in (layout.names, *layout.batches) if name not in seen]
    if missing:
        raise ArchiveError(f"lacks {', '.join(missing)}")
    return Members(layout, names, {number: batch.result() for number, batch in batches.items()})


def _member(parse: Callable[[bytes, Layout], Parsed], name: str, content: bytes, layout: Layout) -> Parsed:
    try:
        return parse(content, layout)
    except ArchiveError as error:
        raise ArchiveError(f"member {name} {error}") from error


def _batch(content: bytes, layout: Layout) -> Batch:
    rows, labels = _python_batch(content) if layout.title == "python" else _binary_batch(content)
    if not 0 < len(rows) <= MAX_ROWS:
        raise ArchiveError(f"has {len(rows):,} images, not 1 to {MAX_ROWS:,}")
    if len(labels) != len(rows):
        raise ArchiveError(f"has {len(rows):,} images, but {len(labels):,} labels")
    return Batch(rows, labels)


def _python_batch(content: bytes) -> Batch:
    batch = unpickle(content, MAX_STEPS)
    rows, labels = batch.get("data"), batch.get("labels")
    if not isinstance(rows, np.ndarray):
        raise ArchiveError("has no array of images")
    if rows.ndim != 2 or rows.shape[1] != PIXELS:
        raise ArchiveError(f"has images of shape {rows.shape}, not rows of {PIXELS:,}")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise ArchiveError("has no list of labels from 0 to 255")
    return Batch(rows, np.array(labels, np.uint8))


def _binary_batch(content: bytes) -> Batch:
    if len(content) % (1 + PIXELS):
        raise ArchiveError(f"has {len(content):,} bytes, no multiple of {1 + PIXELS:,}")
    table = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    return Batch(table[:, 1:], table[:, 0])


def _class_names(content: bytes, layout: Layout) -> list[str]:
    """Names from a pickle's list, or one a line of a text file, whose last lines may be empty."""
    found = (
        unpickle(content, MAX_STEPS).get("label_names") if layout.title == "python" else content.rstrip().splitlines()
    )
    if not isinstance(found, list):
        raise ArchiveError("has no list of class names")
    names = [name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name for name in found]
    if not all(isinstance(name, str) and 0 < len(name.strip()) <= 100 and name.isprintable() for name in names):
        raise ArchiveError("has class names that are no text")
    if not 2 <= len(names) <= 256:
        raise ArchiveError(f"has {len(names)} class names, not 2 to 256")
    if len(set(names)) < len(names):
        raise ArchiveError("has the same class name twice")
    return names


def _join(batches: list[Batch], names: list[str], beside: ThreadPoolExecutor) -> Split:
    """One split of all `batches`, images as HWC; two threads each move a batch, since numpy works without Python."""
    labels = np.concatenate([batch.labels for batch in batches])
    if labels.max() >= len(names):
        raise ArchiveError(f"has label {labels.max()}, but only {len(names)} class names")
    images = np.empty((len(labels), 32 * 32, 3), np.uint8)
    places = np.split(images, np.cumsum([len(batch.labels) for batch in batches])[:-1])
    list(beside.map(_move, places, [batch.rows for batch in batches]))
    return Split(images.reshape(-1, 32, 32, 3), labels, np.array(names))


def _move(images: NDArray[np.uint8], rows: NDArray[np.uint8]) -> None:
    for channel in range(3):
        images[:, :, channel] = rows[:, channel * 1024 : (channel + 1) * 1024]
