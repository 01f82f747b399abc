"""Check the chain of hashes: data → trained model → fp32 graph → int8 and fp16 → predictions."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resbench.benchmark.predictions import load_predictions
from resbench.common.errors import ResbenchError, one_line, printable
from resbench.common.files import read_object
from resbench.data.contact_sheet import contact_sheet
from resbench.data.corruptions import parse_name
from resbench.data.store import load_split
from resbench.export.metadata import metadata_texts, read_graph, read_metadata
from resbench.report.inputs import read_summary
from resbench.training.record import read_record
from resbench.verify.faults import Fault, file_hash, read

LETTERS = 0.005  # share of a contact sheet's values that letters may change


def prediction_files(folder: Path) -> list[Path]:
    """Return all files of predictions in a results folder: on the test images, then on further test sets.

    Args:
        folder: Folder of a finished run.

    Returns:
        Their paths.
    """
    return [path for depth in ("*/*/*.npz", "*/*/*/*.npz") for path in sorted(folder.glob(f"predictions/{depth}"))]


def images_of(folder: Path, predictions: Path) -> Path:
    """Return the file of the images that predictions are of.

    Args:
        folder: Folder of a finished run.
        predictions: A file below its folder `predictions`.

    Returns:
        Its path.
    """
    if len(predictions.relative_to(folder / "predictions").parts) == 3:
        return folder / "data/test.npz"
    kind = "corrupted" if parse_name(predictions.stem) else "test_sets"
    return folder / "data" / kind / predictions.name


def check_chain(folder: Path) -> Iterator[Fault]:
    """Yield every file that was not made from the output of the stage before it.

    Args:
        folder: Folder of a finished run, in the workflow's layout.

    Yields:
        The faults.
    """
    summary = read(read_summary, folder / "data/summary.json")
    if isinstance(summary, Fault):
        yield summary
        return
    yield from _check_data(folder / "data", summary)
    for parity in sorted(folder.glob("onnx/*/*/parity.json")):
        facts = read(partial(read_object, command="export --parity"), parity)
        if isinstance(facts, Fault):
            yield facts
            continue
        place = parity.parent.relative_to(folder / "onnx")
        for key in ("train_sha256", "test_sha256"):
            if facts.get(key) != summary.get(key):
                yield Fault(parity, f"is of other images than {folder / 'data/summary.json'} ({key})")
        model, fp32 = folder / "models" / place / "model.keras", parity.with_name("fp32.onnx")
        for key, path in {"keras_sha256": model, "onnx_sha256": fp32}.items():
            if facts.get(key) != file_hash(path):
                yield Fault(path, f"is missing, or not the file of which {parity} holds the hash ({key})")
        yield from _check_record(model, parity, facts)
        yield from _check_figures(fp32, parity, facts)
        yield from _check_place(parity, place, facts)
        for graph in sorted(parity.parent.glob("*.onnx")):
            yield from _check_graph(graph, place, file_hash(fp32))
    yield from _check_owners(folder)


def _check_data(data: Path, summary: dict[str, Any]) -> Iterator[Fault]:
    for name, key in {"train.npz": "train_sha256", "test.npz": "test_sha256", "archive": "sha256"}.items():
        path = data / name
        if path.is_file() and file_hash(path) != summary.get(key):
            yield Fault(path, f"was changed or replaced: it has another hash than in {data / 'summary.json'} ({key})")
    source, sheet = data / "source.json", data / "samples.png"
    if source.is_file():
        facts = read(partial(read_object, command="download --record"), source)
        if isinstance(facts, Fault):
            yield facts
        elif any(facts.get(key) != summary.get(key) for key in ("source", "sha256")):
            yield Fault(source, f"names another source or hash than {data / 'summary.json'}")
    if sheet.is_file() and not isinstance(train := read(load_split, data / "train.npz"), Fault):
        shown = read(_read_picture, sheet)
        if isinstance(shown, Fault):
            yield shown
        elif not _is_same_picture(shown, np.asarray(contact_sheet(train))):
            yield Fault(sheet, f"does not show the images of {data / 'train.npz'}")


def _read_picture(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow raises a dozen types on hostile bytes
        raise ResbenchError(f"{path}: not a readable picture ({one_line(error):.200})") from error


def _is_same_picture(shown: NDArray[np.uint8], expected: NDArray[np.uint8]) -> bool:
    """Return whether two pictures are the same but for their letters, which other fonts draw in another way."""
    return shown.shape == expected.shape and float((shown != expected).mean()) < LETTERS


def _check_record(model: Path, parity: Path, facts: dict[str, Any]) -> Iterator[Fault]:
    record = read(read_record, model)
    if isinstance(record, Fault):
        yield record
        return
    for key, value in record.items():
        if key in facts and facts[key] != value:
            yield Fault(parity, f"{key} is {facts[key]!r:.60}, but {model} says {value!r:.60}")


def _check_figures(fp32: Path, parity: Path, facts: dict[str, Any]) -> Iterator[Fault]:
    """Yield facts and figures of a parity file that the graph's metadata, which the same export wrote, do not hold."""
    stored = read(_read_metadata, fp32)
    if isinstance(stored, Fault):
        return  # the check of the graphs names it
    expected = stored | {"model_bytes": str(fp32.stat().st_size)}
    for key, text in metadata_texts(facts).items():
        wanted = expected.get(key, text)
        if text != wanted:
            yield Fault(parity, f"{key} is {text:.60}, but {wanted:.60} in {fp32}")


def _check_place(path: Path, place: Path, facts: dict[str, Any]) -> Iterator[Fault]:
    own = f"{facts.get('variant')}/seed{facts.get('seed')}"
    if own != place.as_posix():
        yield Fault(path, f"is of {own}, but lies in {place.as_posix()}")


def _check_graph(graph: Path, place: Path, fp32: str | None) -> Iterator[Fault]:
    facts = read(_read_metadata, graph)
    if isinstance(facts, Fault):
        yield facts
        return
    yield from _check_place(graph, place, facts)
    if facts.get("precision") != graph.stem:
        yield Fault(graph, f"is in {facts.get('precision')}, which its name does not say")
    if graph.stem != "fp32" and facts.get("fp32_sha256") != fp32:
        yield Fault(graph, f"was not made from {graph.with_name('fp32.onnx')}")


def _check_owners(folder: Path) -> Iterator[Fault]:
    """Yield predictions that are of another model or other images than their path says."""
    labels: dict[Path, NDArray[np.uint8]] = {}
    for path in prediction_files(folder):
        stored = read(load_predictions, path)
        if isinstance(stored, Fault):
            yield stored
            continue
        variant, seed, run, *_ = path.relative_to(folder / "predictions").parts
        place = Path(variant, seed)
        yield from _check_place(path, place, stored._asdict())
        if run.removesuffix(".npz") != f"{stored.precision}-{stored.provider}":
            yield Fault(path, f"is of {stored.precision} on {stored.provider}, which its name does not say")
        graph = folder / "onnx" / place / f"{stored.precision}.onnx"
        if file_hash(graph) != stored.model_sha256:
            yield Fault(path, f"is of another file than {graph}")
        elif stored.model_bytes != (size := graph.stat().st_size):
            yield Fault(path, f"model_bytes is {stored.model_bytes}, but {graph} has {size} bytes")
        images = images_of(folder, path)
        if stored.test_set != images.stem:
            yield Fault(path, f"is of the test set {printable(stored.test_set)}, which its name does not say")
        if images not in labels:
            split = read(load_split, images)
            if isinstance(split, Fault):
                yield split
            labels[images] = np.empty(0, np.uint8) if isinstance(split, Fault) else split.labels
        if len(labels[images]) and not np.array_equal(stored.labels, labels[images]):
            yield Fault(path, f"has other labels than {images}")


def _read_metadata(path: Path) -> dict[str, str]:
    return read_metadata(read_graph(path))
