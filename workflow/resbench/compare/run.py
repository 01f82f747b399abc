"""Read a results folder for a comparison with another."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from resbench.benchmark.predictions import load_predictions
from resbench.common.errors import ResbenchError, one_line, printable
from resbench.common.files import read_object
from resbench.export.metadata import read_graph, read_metadata
from resbench.report.inputs import TIMED_KEY, Key, read_summary, read_timings, timed_calls
from resbench.statistics.intervals import Hits
from resbench.statistics.latency import round_minima

WEIGHTS = "model.weights.h5"  # the member of a .keras file that holds the weights


class Model(NamedTuple):
    """A trained model in one precision."""

    variant: str
    seed: str
    precision: str

    def __str__(self) -> str:
        return f"{self.variant} seed {self.seed} {self.precision}"


@dataclass(frozen=True)
class Run:
    """The content of one results folder.

    Attributes:
        name: The path by which the user named it: its results folder, or a crate.
        folder: Its results folder.
        labels: Classes of the test images, uint8 (images,).
        hits: For each (variant, precision, provider), by seed: the images that it classifies correctly.
        digests: For each model, by stage and in the stages' order: the SHA-256 of the stage's output.
        minima: For each (variant, precision, provider, batch size, threads): shortest call of each round in ms.
        hosts: For each provider, the content of host.json.
        parity: For each (variant, seed), the content of parity.json.
        calibrations: The different calibrations of int8 models, from their metadata.
        summary: The content of summary.json; empty where there is none.
    """

    name: Path
    folder: Path
    labels: NDArray[np.uint8]
    hits: dict[Key, dict[str, Hits]]
    digests: dict[Model, dict[str, str]]
    minima: dict[Key, NDArray[np.float64]]
    hosts: dict[str, dict[str, Any]]
    parity: dict[tuple[str, str], dict[str, Any]]
    calibrations: list[str]
    summary: dict[str, Any]

    def graph(self, model: Model) -> Path:
        """Return the path of a model's .onnx file.

        Args:
            model: The model.

        Returns:
            Its path.
        """
        return self.folder / "onnx" / model.variant / f"seed{model.seed}" / f"{model.precision}.onnx"


def read_run(folder: Path, name: Path | None = None) -> Run:
    """Read a results folder as a run of the workflow leaves it.

    Models, graphs and latencies may be missing; predictions may not.

    Args:
        folder: The folder.
        name: The path by which the user named the run; None where it is the folder.

    Returns:
        The run.

    Raises:
        ResbenchError: It is not a results folder, a file of it is unreadable, or its predictions are of several test
            sets.
    """
    paths = sorted(folder.glob("predictions/*/seed*/*.npz"))
    if not paths:
        raise ResbenchError(f"{folder}: not a results folder; it has no predictions/VARIANT/seedN/*.npz")
    images = {
        f"{split} images": _arrays_digest(path)
        for split in ("train", "test")
        if (path := folder / f"data/{split}.npz").exists()
    }
    labels: NDArray[np.uint8] | None = None
    hits: dict[Key, dict[str, Hits]] = {}
    digests: dict[Model, dict[str, str]] = {}
    for path in paths:
        read = load_predictions(path)
        labels = read.labels if labels is None else labels
        if not np.array_equal(labels, read.labels):
            raise ResbenchError(
                f"{path}: predictions of other test images than in {paths[0]}; evaluate both models on the same images"
            )
        model = Model(read.variant, read.seed, read.precision)
        key = (read.variant, read.precision, read.provider)
        hits.setdefault(key, {})[read.seed] = read.correct
        if model not in digests:
            digests[model] = images | dict(_stages_before(folder, model))
        digests[model][f"predictions on {read.provider}"] = hashlib.sha256(read.probabilities.tobytes()).hexdigest()
    assert labels is not None
    hosts, minima = _latencies(folder)
    return Run(
        name=name or folder,
        folder=folder,
        labels=labels,
        hits=hits,
        digests=digests,
        minima=minima,
        hosts=hosts,
        parity={
            (path.parents[1].name, path.parent.name.removeprefix("seed")): read_object(path, "export --parity")
            for path in sorted(folder.glob("onnx/*/seed*/parity.json"))
        },
        calibrations=sorted({_calibration(path) for path in folder.glob("onnx/*/seed*/int8.onnx")}),
        summary=read_summary(folder / "data/summary.json") if (folder / "data/summary.json").exists() else {},
    )


def _stages_before(folder: Path, model: Model) -> Iterator[tuple[str, str]]:
    """Yield the stages from the training to a model's graph, with the digest of each output that exists."""
    place = Path(model.variant, f"seed{model.seed}")
    if (path := folder / "models" / place / "model.keras").exists():
        yield "trained weights", _weights_digest(path)
    for precision in dict.fromkeys(("fp32", model.precision)):
        if (path := folder / "onnx" / place / f"{precision}.onnx").exists():
            yield f"{precision} graph", graph_digest(path)


def _arrays_digest(path: Path) -> str:
    """Return the SHA-256 of the arrays in a file; the archive's time stamps do not count."""
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                digest.update(name.encode())
                with archive.open(name) as stream:
                    while block := stream.read(1 << 20):
                        digest.update(block)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ResbenchError(f"{path}: unreadable ({one_line(error)}); convert the archive again") from error
    return digest.hexdigest()


def _weights_digest(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ResbenchError(
            f"{path}: not a model that `resbench train` wrote ({one_line(error)}); train it again"
        ) from error


def graph_digest(path: Path) -> str:
    """Return the SHA-256 of a graph without its metadata, which hold the time that training took.

    Args:
        path: An .onnx file.

    Returns:
        64 hex digits.

    Raises:
        ResbenchError: It is not an ONNX file.
    """
    model = read_graph(path)
    del model.metadata_props[:]
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def _calibration(path: Path) -> str:
    """Return method, seed and number of images of an int8 model's calibration; empty where its metadata lack them."""
    try:
        found = json.loads(read_metadata(read_graph(path)).get("calibration", "{}"))
        return f"{found['method']}, seed {found['seed']}, {len(found['train_indices'])} images"
    except (KeyError, TypeError, ValueError, RecursionError):
        return ""


def _latencies(folder: Path) -> tuple[dict[str, dict[str, Any]], dict[Key, NDArray[np.float64]]]:
    hosts: dict[str, dict[str, Any]] = {}
    minima: dict[Key, NDArray[np.float64]] = {}
    for samples in sorted(folder.glob("latency/*/samples.csv")):
        table, host = read_timings(samples, samples.with_name("host.json"))
        for provider in table["provider"].unique():
            if provider in hosts:
                raise ResbenchError(
                    f"{samples}: of provider {printable(provider)}, as another folder in {folder / 'latency'}; "
                    "leave one of them out"
                )
            hosts[provider] = host
        minima |= {_without_host(key): round_minima(calls) for key, calls in timed_calls(table)}
    return hosts, minima


def read_minima(samples: Path, host: Path) -> dict[Key, dict[int, float]]:
    """Return the shortest call of each round in ms, by the round's number, for every setting that was timed.

    Args:
        samples: What `latency --samples` wrote.
        host: What `latency --host` wrote.

    Returns:
        For each (variant, precision, provider, batch size, threads): ms by the round's number.

    Raises:
        ResbenchError: A file is missing or damaged.
    """
    table, _ = read_timings(samples, host)
    return {_without_host(key): _by_round(calls) for key, calls in timed_calls(table)}


def _without_host(key: Key) -> Key:
    """Return a setting without its host: the facts about hosts are compared one by one."""
    named = dict(zip(TIMED_KEY, key, strict=True))
    return (*(named[name] for name in TIMED_KEY[:3]), int(named["batch_size"]), int(named["threads"]))


def _by_round(calls: pd.DataFrame) -> dict[int, float]:
    return dict(zip(np.unique(calls["round"]).tolist(), round_minima(calls).tolist(), strict=True))
