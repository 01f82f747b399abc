"""Sub-commands that make and read images."""

from pathlib import Path
from typing import Annotated

import typer

from resbench.cli.options import Data, one_of
from resbench.data.datasets import DATASETS, archive_of


def digits(dest: Annotated[Path, typer.Argument(help="Archive to write, .tar.")]) -> None:
    """Write scikit-learn's handwritten digits as an archive in CIFAR-10's layout (no network needed)."""
    from resbench.data.digits import write_digits_archive

    write_digits_archive(dest)


def download(
    dest: Annotated[Path, typer.Argument(help="File to write, once its hash matched.")],
    dataset: Annotated[str, one_of(DATASETS, "Dataset whose sources and hash are used.")] = "cifar10",
    sha256: Annotated[
        str, typer.Option(help="Expected SHA-256 in hex; auto: the dataset's; none: any file, with a warning.")
    ] = "auto",
    source: Annotated[
        list[str] | None,
        typer.Option(help="URL, file:// URL or path, tried in the order given.  Default: the dataset's."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="JSON file to write: the source that was used, and the archive's hash.")
    ] = None,
    min_rate: Annotated[float, typer.Option(help="Leave a source that is slower than this, in kB/s.")] = 200.0,
    window: Annotated[float, typer.Option(help="Seconds over which the rate is measured.")] = 20.0,
) -> None:
    """Fetch an archive from the first source that delivers it, resuming an earlier download."""
    from resbench.common.files import write_json
    from resbench.data.sources import download_archive

    sources, expected = archive_of(dataset, source, None if sha256.lower() == "none" else sha256)
    result = download_archive(dest, sources, expected, min_rate_kb=min_rate, window_s=window, record=record)
    if record:
        write_json(record, result)


def convert(
    archive: Annotated[Path, typer.Argument(help="Archive of images; config/README.md lists the supported layouts.")],
    train: Annotated[Path, typer.Option(help="Training images to write, .npz.")],
    test: Annotated[Path, typer.Option(help="Test images to write, .npz.")],
    record: Annotated[Path | None, typer.Option(help="What `download --record` wrote, for the summary.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Write counts, channel statistics and hash here, .json.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Write a labelled contact sheet here, .png.")] = None,
) -> None:
    """Read an untrusted archive into two array files; nothing in it is unpacked or executed."""
    from resbench.common.memory import keep_freed_memory

    keep_freed_memory()
    from resbench.data.convert import convert_archive

    convert_archive(archive, train, test, record=record, summary=summary, samples=samples)


def extraset(
    path: Annotated[
        Path, typer.Argument(help="A folder of pictures, an archive, or images as .npy with labels next to them.")
    ],
    like: Annotated[Path, typer.Option(help="Test images that `convert` wrote, .npz, whose classes the new set has.")],
    output: Annotated[Path, typer.Option(help="Test images to write, .npz.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels of a .npy file.  Default: a file next to it with labels in its name."),
    ] = None,
) -> None:
    """Read a further test set, untrusted as an archive, into an array file."""
    from resbench.data.test_sets import write_test_set

    write_test_set(path, like, output, labels)


def corrupt(
    data: Data,
    output: Annotated[
        list[Path], typer.Option(help="…/NAME-SEVERITY.npz to write, such as contrast-3.npz; once for each.")
    ],
) -> None:
    """Make corrupted copies of test images, as Hendrycks & Dietterich (2019) define them."""
    from resbench.data.corruptions import corrupt_split
    from resbench.data.store import load_split, save_split

    images = load_split(data)
    for path in output:
        save_split(path, corrupt_split(images, path.stem))
