"""Check that each bundle is the one that follows from models, predictions, tables and the recommendation."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resbench.benchmark.predictions import load_predictions
from resbench.common.errors import ResbenchError
from resbench.common.files import CHECKSUMS, read_checksums, sha256
from resbench.data.store import load_split
from resbench.deploy.bundle import write_bundle
from resbench.report.recommendation import read_recommendations
from resbench.runtime.providers import BASE_PROVIDER
from resbench.runtime.sessions import missing
from resbench.verify.faults import Fault, Note, check_files, file_hash, first, read
from resbench.verify.tables import ROBUSTNESS, line_faults, read_text

UNNAMED = (CHECKSUMS, ".snakemake_timestamp")  # files of a bundle that its hashes do not name
# Other versions of NumPy and zlib may pack the same arrays into other bytes.
ARRAYS: dict[str, Callable[[Path], NamedTuple]] = {
    "check/test.npz": load_split,
    "check/predictions.npz": load_predictions,
}
TEXTS = ("README.md", "config.pbtxt", "labels.txt")


def check_bundles(folder: Path, sources: list[str], note: Note) -> Iterator[Fault]:
    """Yield the faults of the bundles: changed files, other models than recommended, and what does not follow.

    Args:
        folder: Folder of a finished run.
        sources: The files that the report was made from.
        note: Called with what cannot be checked on this machine.

    Yields:
        The faults.
    """
    recommendation = folder / "recommendation.json"
    decided = read(read_recommendations, recommendation)
    if isinstance(decided, Fault):
        return  # the check of the tables names it
    place = decided.deployed()
    lacking = missing(BASE_PROVIDER.name)  # which reads the models that go into a bundle
    if lacking:
        note(f"verify: bundles are not made again, only their hashes are checked: {lacking}")
    for bundle in sorted(path for path in folder.glob("model_repository/*") if path.is_dir()):
        sums = read(read_checksums, bundle / CHECKSUMS)
        if isinstance(sums, Fault):
            yield sums
            continue
        yield from check_files(bundle, sums)
        for path in sorted(path for path in bundle.rglob("*") if path.is_file() and path.name not in UNNAMED):
            if path.relative_to(bundle).as_posix() not in sums:
                yield Fault(path, f"is not named in {bundle / CHECKSUMS}")
        if place is None or bundle.name not in place.precisions:
            yield Fault(bundle, f"{recommendation} recommends no precision of this network")
            continue
        model, precision = bundle / "1/model.onnx", place.precisions[bundle.name].model.precision
        bundled = file_hash(model)
        graphs = sorted(folder.glob(f"onnx/{bundle.name}/*/{precision}.onnx"))
        same = [graph for graph in graphs if bundled and file_hash(graph) == bundled]
        if not same:
            yield Fault(model, f"is not {bundle.name} in {precision}, which {recommendation} recommends")
        elif not lacking:
            robustness = folder / ROBUSTNESS if ROBUSTNESS in sources else None
            yield from _differences(folder, bundle, same[0].parent, place.provider, robustness)


def _differences(folder: Path, bundle: Path, models: Path, provider: str, robustness: Path | None) -> Iterator[Fault]:
    """Yield every file of a bundle that is not the one which the same models give again."""
    predictions = {
        path: folder / "predictions" / bundle.name / models.name / f"{path.stem}-{provider}.npz"
        for path in sorted(models.glob("*.onnx"))
    }
    evaluated = {model: path for model, path in predictions.items() if path.is_file()}
    with tempfile.TemporaryDirectory() as temporary:
        again = Path(temporary) / bundle.name
        try:
            write_bundle(
                again,
                list(evaluated),
                list(evaluated.values()),
                folder / "report.csv",
                folder / "recommendation.json",
                folder / "data/test.npz",
                robustness,
            )
        except ResbenchError as error:
            yield Fault(bundle, f"cannot be made again: {error}")
            return
        for made in sorted(path for path in again.rglob("*") if path.is_file() and path.name != CHECKSUMS):
            yield from _difference(bundle / made.relative_to(again), made, made.relative_to(again).as_posix())


def _difference(stored: Path, made: Path, name: str) -> Iterator[Fault]:
    """Yield how a file of a bundle differs from the one that was made again."""
    if not stored.is_file():
        yield Fault(stored, "is missing")
    elif name in ARRAYS:
        content = read(ARRAYS[name], stored)
        if isinstance(content, Fault):
            yield content
        elif not all(map(np.array_equal, content, ARRAYS[name](made))):
            yield Fault(stored, "holds other images or predictions than those that follow from the raw files")
    elif name in TEXTS:
        text = read(read_text, stored)
        if isinstance(text, Fault):
            yield text
        else:
            yield from first(line_faults(stored, text.splitlines(), read_text(made).splitlines()))
    elif sha256(stored) != sha256(made):
        yield Fault(stored, "is not the one that follows from the raw files")
