"""Pictures in a folder for each class: `train/CLASS/*` and `test/CLASS/*`, or one level, `CLASS/*`, which is split.

The class of a picture is the folder below `train` or `test`, or the topmost one; folders below that have no meaning.
"""

import hashlib
import io
import os
import re
import stat
import tarfile
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.common.errors import ResbenchError
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
# What others call them: Training, test_set, seg_train, val2017.
SPLIT_LIKE = re.compile(r"(?:.*[_\W])?(train|test|val)(?:ing|id|idation)?\d*(?:[_\W].*)?", re.IGNORECASE)
TEST_SHARE = 1 / 6  # of each class, as in CIFAR-10
NAMED = 10  # unreadable pictures that are named on the terminal; all are in the summary
LISTED = 1000  # files that are no pictures and are named in the summary
# A picture's path in the archive, of which hundreds of thousands are in memory.
MAX_PATH = 512  # characters
MAX_DEPTH = 16  # folders


class Picture(NamedTuple):
    """A picture, already reduced to 32×32.

    Attributes:
        name: Its path in the archive.
        folders: Folders that it is in, the topmost first.
        image: uint8 (32, 32, 3); None where it cannot be read.
        digest: A hash of its content, by which it is assigned to training or test images.
        reason: Why it cannot be read, and what to do.
    """

    name: str
    folders: tuple[str, ...]
    image: NDArray[np.uint8] | None
    digest: bytes
    reason: str = ""


def is_picture(name: str) -> bool:
    """Return whether a file's name ends as a picture's does, also in a format that cannot be read.

    Args:
        name: The name.

    Returns:
        True for the suffixes in `SUFFIXES`.
    """
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_hidden(name: str) -> bool:
    """Return whether a file is one that systems leave behind: `.DS_Store`, `__MACOSX/…`, `@eaDir/…`, `Thumbs.db`.

    Args:
        name: Its path, with slashes.

    Returns:
        True where its name or one of its folders' names says so.
    """
    parts = [part for part in name.split("/") if part != "."]
    left_behind = any(part.startswith(".") or part in ("__MACOSX", "@eaDir") for part in parts)
    return left_behind or parts[-1:] in (["Thumbs.db"], ["desktop.ini"])


class PictureFolder:
    """Collects pictures, each reduced at once, and sorts them into splits and classes at the end."""

    def __init__(self) -> None:
        self._pictures: list[Picture] = []
        self._skipped: list[str] = []  # the first ones
        self._skipped_count = 0

    def __len__(self) -> int:
        return len(self._pictures)

    def take(self, entry: Entry, budget: Budget) -> None:
        """Read a picture; remember one that cannot be read.

        Args:
            entry: The file.
            budget: How many bytes may be unpacked.

        Raises:
            ArchiveError: It is too large or in too many folders, its path is too long, or there are too many.
        """
        if entry.size > MAX_PICTURE:
            raise ArchiveError(f"member {printable(entry.name)} has {entry.size:,} bytes, more than {MAX_PICTURE:,}")
        if not self._pictures:
            budget.left += MAX_TOTAL
        if len(self._pictures) == MAX_PICTURES:
            raise ArchiveError(f"has more than {MAX_PICTURES:,} pictures")
        folders = tuple(part for part in entry.name.split("/")[:-1] if part != ".")
        if len(entry.name) > MAX_PATH or len(folders) > MAX_DEPTH:
            what = f"whose path is longer than {MAX_PATH} characters or {MAX_DEPTH} folders"
            raise ArchiveError(f"holds {printable(entry.name)}, {what}", INTO_FOLDERS)
        content = entry.read()
        image, reason = None, ""
        try:
            image = decode_picture(io.BytesIO(content))
        except PictureError as error:
            reason = str(error)
        digest = hashlib.sha256(b"split 0" + content).digest()
        self._pictures.append(Picture(entry.name, folders, image, digest, reason))

    def skip(self, name: str) -> None:
        """Remember a file that is not called like a picture.

        Args:
            name: Its path.
        """
        self._skipped_count += 1
        if len(self._skipped) < LISTED:
            self._skipped.append(name[:MAX_PATH])

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
        if _has_splits(pictures):
            parts = _parts(pictures, SPLITS)
            train, test = _readable(parts["train"]), _readable(parts["test"])
        else:
            _refuse_splits_as_classes(pictures)
            train, test = _split(pictures)
        labels = sorted({_label(picture) for picture in train})
        if len(labels) == 1:
            raise ArchiveError(f"has training pictures of one class, {printable(labels[0])}", INTO_FOLDERS)
        names = check_names(labels)
        for picture in test:
            if _label(picture) not in names:
                raise ArchiveError(
                    f"has no training pictures of the test pictures' class {printable(_label(picture))}",
                    "add some to train, or leave the class out of test",
                )
        unreadable = [picture.name for picture in self._unreadable()] + self._skipped
        if self._skipped_count > len(self._skipped):
            unreadable.append(f"{self._skipped_count - len(self._skipped)} more files that are no pictures")
        # The end of the hash: its beginning decided which pictures are for testing.
        train.sort(key=lambda picture: picture.digest[::-1])
        return _stack(train, names), _stack(test, names), unreadable

    def test_split(self, classes: Collection[str]) -> Split:
        """Return all pictures as one set, or those in `test` where there are `test` or `train`.

        Args:
            classes: The classes that there are.

        Returns:
            The images.

        Raises:
            ArchiveError: The folders do not show the classes, or show others, or there are no pictures.
        """
        if not self._pictures:
            raise ArchiveError("holds no pictures")
        self._report_unreadable()
        pictures = self._pictures
        while all(len(picture.folders) > 1 for picture in pictures):
            common = _common_folder(pictures)
            if common is None or common in classes:
                break
            pictures = _inside(pictures)
        if loose := [picture for picture in pictures if not picture.folders]:
            raise ArchiveError(_outside(loose[0]), INTO_FOLDERS)
        readable = _readable(_parts(pictures, ("test",))["test"] if _has_splits(pictures) else pictures)
        names = sorted({_label(picture) for picture in readable})
        check_known(names, classes)
        return _stack(readable, names)

    def _unreadable(self) -> list[Picture]:
        return [picture for picture in self._pictures if picture.image is None]

    def _report_unreadable(self) -> None:
        unreadable = self._unreadable()
        for picture in unreadable[:NAMED]:
            say(f"{printable(picture.name)}: {picture.reason}; left out")
        if rest := len(unreadable[NAMED:]) + self._skipped_count:
            first = self._skipped[0] if self._skipped else unreadable[NAMED].name
            more = f" and {rest - 1:,} more" if rest > 1 else ""
            say(f"{printable(first)}{more}: not readable as pictures; left out")


def check_known(names: Sequence[str], classes: Collection[str]) -> None:
    """Refuse classes of a further test set that the models do not know.

    Args:
        names: Its classes.
        classes: Those of the models.

    Raises:
        ArchiveError: One of them is not among those of the models.
    """
    unknown = [name for name in names if name not in classes]
    if unknown:
        known = ", ".join(map(printable, list(classes)[:10]))
        raise ArchiveError(f"has the class {printable(unknown[0])}, which the models do not know", f"they know {known}")


def _without_common_folder(pictures: list[Picture]) -> list[Picture]:
    """Return the pictures without the folders that all of them lie in, except `train` and `test`."""
    everything = pictures
    while all(picture.folders for picture in pictures):
        if _common_folder(pictures) is None:
            return pictures
        pictures = _inside(pictures)
    loose = next(picture for picture in pictures if not picture.folders)
    alone = loose.name.count("/") > 0 and len({picture.name.rpartition("/")[0] for picture in everything}) == 1
    what = "has one folder of pictures, and so one class" if alone else _outside(loose)
    raise ArchiveError(what, INTO_FOLDERS)


def _common_folder(pictures: list[Picture]) -> str | None:
    """Return the topmost folder of all pictures; None where they are in several, or it is `train` or `test`."""
    first = {_label(picture) for picture in pictures}
    return None if len(first) > 1 or _has_splits(pictures) else first.pop()


def _inside(pictures: list[Picture]) -> list[Picture]:
    return [picture._replace(folders=picture.folders[1:]) for picture in pictures]


def _has_splits(pictures: list[Picture]) -> bool:
    return any(picture.folders[0].lower() in SPLITS for picture in pictures)


def _refuse_splits_as_classes(pictures: list[Picture]) -> None:
    """Refuse folders such as `Training` and `test_set`, which would silently become classes."""
    names = sorted({picture.folders[0] for picture in pictures})
    kinds = [(match := SPLIT_LIKE.fullmatch(name)) and match[1].lower() for name in names]
    if all(kinds) and len({kind == "train" for kind in kinds}) > 1:
        shown = " and ".join(map(printable, names[:2]))
        raise ArchiveError(f"has folders {shown}, which are no names of classes", "call them train and test")


def _outside(picture: Picture) -> str:
    return f"holds {printable(picture.name)} outside a folder of its class"


def _parts(pictures: list[Picture], needed: Collection[str]) -> dict[str, list[Picture]]:
    """Return the pictures in `train` and those in `test`, of which the needed ones must be there, and no others."""
    top = {picture.folders[0].lower() for picture in pictures}
    if wrong := sorted(top - set(SPLITS) | set(needed) - top):
        is_odd = wrong[0] in top
        what = f"has the folder {printable(wrong[0])} next to train and test" if is_odd else f"has no folder {wrong[0]}"
        raise ArchiveError(what, "sort its pictures into train/CLASS and test/CLASS")
    parts: dict[str, list[Picture]] = {part: [] for part in SPLITS}
    for picture in pictures:
        part, *classes = picture.folders
        if not classes:
            raise ArchiveError(_outside(picture), INTO_FOLDERS)
        parts[part.lower()].append(picture._replace(folders=tuple(classes)))
    return parts


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
    found = {_label(picture) for picture in readable}
    if lost := [picture for picture in pictures if _label(picture) not in found]:
        picture = min(lost, key=_label)
        raise ArchiveError(
            f"has no readable picture of class {printable(_label(picture))}",
            f"{printable(picture.name)} {picture.reason}; or leave its folder out",
        )
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
        OSError: A folder cannot be read, or a link leads nowhere: a class would disappear with it.
    """
    for path in sorted(_walk(folder, folder, ()), key=lambda path: path.relative_to(folder).as_posix()):
        if stat.S_ISREG(path.stat().st_mode):
            yield path


def pictures_in(path: Path) -> list[Path]:
    """Return a picture's path or, of a folder, the paths of the pictures in it and in its folders.

    Args:
        path: A file or folder.

    Returns:
        The paths, sorted by name, without hidden files.

    Raises:
        ResbenchError: The folder holds no pictures, or cannot be read.
    """
    if not path.is_dir():
        return [path]
    try:
        files = [file for file in files_of(path) if is_picture(file.name)]
    except OSError as error:
        raise ResbenchError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
    if not files:
        raise ResbenchError(f"{path}: no pictures in this folder; name one that holds some")
    return files


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
