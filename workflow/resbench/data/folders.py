"""Pictures in a folder for each class: `train/CLASS/*` and `test/CLASS/*`, or one level, `CLASS/*`, which is split.

The class of a picture is the folder below `train` or `test`, or the topmost one; folders below that have no meaning.
"""

import hashlib
import io
import os
import tarfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.common.progress import say
from resbench.data.containers import Entry
from resbench.data.errors import ArchiveError, printable
from resbench.data.layouts import check_names
from resbench.data.pictures import SUFFIXES, PictureError, decode_picture
from resbench.data.store import Split
from resbench.data.streams import Budget

MAX_PICTURES = 300_000
MAX_PICTURE = 200 << 20  # bytes of one file; a photo has 1 to 50 MB
MAX_TOTAL = 64 << 30  # bytes of all pictures, which are unpacked one at a time
INTO_FOLDERS = "put the pictures into folders train/CLASS and test/CLASS, or CLASS, of at least two classes"
ADD_MORE = "add pictures of it, or leave its folder out"
SPLITS = ("train", "test")
TEST_SHARE = 1 / 6  # of each class, as in CIFAR-10
NAMED = 10  # unreadable files that are named on the terminal; all are in the summary


class Picture(NamedTuple):
    """A picture, already reduced to 32×32.

    Attributes:
        name: Its path in the archive.
        folders: Folders that it is in, the topmost first.
        image: uint8 (32, 32, 3); None where it cannot be read.
        digest: A hash of its content, by which it is assigned to training or test images.
    """

    name: str
    folders: tuple[str, ...]
    image: NDArray[np.uint8] | None
    digest: bytes


def is_picture(name: str) -> bool:
    """Return whether a file's name ends as a picture's does.

    Args:
        name: The name.

    Returns:
        True for the suffixes in `SUFFIXES`.
    """
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_hidden(name: str) -> bool:
    """Return whether a file is one that systems leave behind: `.DS_Store`, `._photo.jpg`, `__MACOSX/…`, `Thumbs.db`.

    Args:
        name: Its path, with slashes.

    Returns:
        True where its name or one of its folders' names says so.
    """
    parts = [part for part in name.split("/") if part != "."]
    left_behind = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return left_behind or parts[-1:] in (["Thumbs.db"], ["desktop.ini"])


class PictureFolder:
    """Collects pictures, each reduced at once, and sorts them into splits and classes at the end."""

    def __init__(self) -> None:
        self._pictures: list[Picture] = []
        self._skipped: list[str] = []
        self._reasons: list[str] = []

    def __len__(self) -> int:
        return len(self._pictures)

    def take(self, entry: Entry, budget: Budget) -> None:
        """Read a picture; remember one that cannot be read.

        Args:
            entry: The file.
            budget: How many bytes may be unpacked.

        Raises:
            ArchiveError: It is too large, or there are too many.
        """
        if entry.size > MAX_PICTURE:
            raise ArchiveError(f"member {printable(entry.name)} has {entry.size:,} bytes, more than {MAX_PICTURE:,}")
        if not self._pictures:
            budget.left += MAX_TOTAL
        if len(self._pictures) == MAX_PICTURES:
            raise ArchiveError(f"has more than {MAX_PICTURES:,} pictures")
        content = entry.read()
        image = None
        try:
            image = decode_picture(io.BytesIO(content))
        except PictureError as error:
            self._reasons.append(f"{printable(entry.name)}: {error}")
        folders = tuple(part for part in entry.name.split("/")[:-1] if part != ".")
        self._pictures.append(Picture(entry.name, folders, image, hashlib.sha256(b"split 0" + content).digest()))

    def skip(self, name: str) -> None:
        """Remember a file that is not called like a picture.

        Args:
            name: Its path.
        """
        self._skipped.append(name)

    def splits(self) -> tuple[Split, Split, list[str]]:
        """Return the pictures, sorted into training and test images.

        Training images are mixed, always in the same way, so that a part of them has all classes.

        Returns:
            Training images, test images, and the names of the files that could not be read.

        Raises:
            ArchiveError: The folders do not show the classes, or a class has no pictures.
        """
        pictures = _without_common_folder(self._pictures)
        self._report_unreadable()
        top = {picture.folders[0].lower() for picture in pictures}
        if top & set(SPLITS):
            train, test = _as_split(pictures, top)
        else:
            train, test = _split(pictures)
        names = check_names(sorted({_label(picture) for picture in train}))
        for picture in test:
            if _label(picture) not in names:
                raise ArchiveError(
                    f"has no training pictures of the test pictures' class {printable(_label(picture))}",
                    "add some to train, or leave the class out of test",
                )
        unreadable = [picture.name for picture in self._pictures if picture.image is None] + self._skipped
        # The end of the hash: its beginning decided which pictures are for testing.
        train.sort(key=lambda picture: picture.digest[::-1])
        return _stack(train, names), _stack(test, names), unreadable

    def test_split(self) -> Split:
        """Return all pictures as one set, or those in `test` where there are `train` and `test`.

        Returns:
            The images.

        Raises:
            ArchiveError: The folders do not show the classes, or there are no pictures.
        """
        if not self._pictures:
            raise ArchiveError("holds no pictures")
        # A folder of one class is no common folder.
        pictures = _without_common_folder([*self._pictures, self._pictures[0]._replace(folders=("", ""))])[:-1]
        self._report_unreadable()
        top = {picture.folders[0].lower() for picture in pictures}
        pictures = _as_split(pictures, top)[1] if top & set(SPLITS) else _readable(pictures)
        return _stack(pictures, sorted({_label(picture) for picture in pictures}))

    def _report_unreadable(self) -> None:
        for reason in self._reasons[:NAMED]:
            say(f"{reason}; left out")
        rest = [*(printable(name) for name in self._skipped), *self._reasons[NAMED:]]
        if rest:
            say(f"{len(rest)} more files are left out, since they are not readable pictures: {rest[0]}, …")


def _without_common_folder(pictures: list[Picture]) -> list[Picture]:
    """Return the pictures without the folders that all of them lie in, except `train` and `test`."""
    everything = pictures
    while all(picture.folders for picture in pictures):
        first = {picture.folders[0] for picture in pictures}
        if len(first) > 1 or first.pop().lower() in SPLITS:
            return pictures
        pictures = [picture._replace(folders=picture.folders[1:]) for picture in pictures]
    loose = next(picture for picture in pictures if not picture.folders)
    alone = loose.name.count("/") > 0 and len({picture.name.rpartition("/")[0] for picture in everything}) == 1
    what = "has one folder of pictures, and so one class" if alone else _outside(loose)
    raise ArchiveError(what, INTO_FOLDERS)


def _outside(picture: Picture) -> str:
    return f"holds {printable(picture.name)} outside a folder of its class"


def _as_split(pictures: list[Picture], top: set[str]) -> tuple[list[Picture], list[Picture]]:
    if top != set(SPLITS):
        odd = sorted(top ^ set(SPLITS))[0]
        what = f"has the folder {printable(odd)} next to train and test" if odd in top else f"has no folder {odd}"
        raise ArchiveError(what, "sort its pictures into train/CLASS and test/CLASS")
    parts: dict[str, list[Picture]] = {part: [] for part in SPLITS}
    for picture in pictures:
        part, *classes = picture.folders
        if not classes:
            raise ArchiveError(_outside(picture), INTO_FOLDERS)
        parts[part.lower()].append(picture._replace(folders=tuple(classes)))
    readable = {part: _readable(members) for part, members in parts.items()}
    return readable["train"], readable["test"]


def _split(pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Return training and test pictures: of each class a sixth for testing, chosen by a hash of their contents.

    The choice is always the same, whatever the files are called; equal files fall on the same side.
    """
    train, test = [], []
    by_class: dict[str, list[Picture]] = {}
    for picture in _readable(pictures):
        by_class.setdefault(_label(picture), []).append(picture)
    for label, members in by_class.items():
        members.sort(key=lambda picture: picture.digest)
        count = max(1, round(len(members) * TEST_SHARE))
        while count < len(members) and members[count].digest == members[count - 1].digest:
            count += 1
        if count == len(members):
            raise ArchiveError(f"has too few different pictures of class {printable(label)}: two are needed", ADD_MORE)
        test += members[:count]
        train += members[count:]
    order = {picture.name: place for place, picture in enumerate(pictures)}
    return train, sorted(test, key=lambda p: order[p.name])


def _readable(pictures: list[Picture]) -> list[Picture]:
    """Return the pictures that could be read; refuse a class that has none."""
    readable = [picture for picture in pictures if picture.image is not None]
    lost = {_label(picture) for picture in pictures} - {_label(picture) for picture in readable}
    if lost:
        raise ArchiveError(f"has no readable picture of class {printable(sorted(lost)[0])}", ADD_MORE)
    return readable


def _label(picture: Picture) -> str:
    return unicodedata.normalize("NFC", picture.folders[0])


def _stack(pictures: list[Picture], names: list[str]) -> Split:
    numbers = {name: number for number, name in enumerate(names)}
    images = np.stack([picture.image for picture in pictures if picture.image is not None])
    labels = np.array([numbers[_label(picture)] for picture in pictures], np.uint8)
    return Split(images, labels, np.array(names))


def pack_folder(folder: Path, stream: BinaryIO) -> None:
    """Write the files of a folder as a plain tar archive: the same bytes for the same names and contents.

    Hidden files are left out; links are followed.

    Args:
        folder: The folder.
        stream: What to write to.

    Raises:
        OSError: A file or folder cannot be read.
    """
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in files_of(folder):
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            with path.open("rb") as content:
                info.size = os.fstat(content.fileno()).st_size
                archive.addfile(info, content)


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the regular files of a folder and of the folders in it; links are followed.

    Args:
        folder: The folder.

    Yields:
        Paths, sorted, without hidden files.

    Raises:
        OSError: A folder cannot be read.
    """
    for path in sorted(_walk(folder, folder, ()), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file():
            yield path


def _walk(top: Path, folder: Path, above: tuple[os.stat_result, ...]) -> Iterator[Path]:
    """Yield what is in a folder and is not hidden; a link to a folder that it is in, a loop, leads nowhere."""
    state = folder.stat()
    if any(os.path.samestat(state, other) for other in above):
        return
    for path in folder.iterdir():
        if is_hidden(path.relative_to(top).as_posix()):
            continue
        if path.is_dir():
            yield from _walk(top, path, (*above, state))
        else:
            yield path
