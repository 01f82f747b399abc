"""Check that each model still gives its stored predictions."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.benchmark.predictions import Predictions, load_predictions
from resbench.common.errors import ResbenchError
from resbench.data.store import load_split
from resbench.runtime.backend import Session
from resbench.runtime.providers import PROVIDERS
from resbench.runtime.sessions import missing, open_session, predict
from resbench.verify.chain import images_of, prediction_files
from resbench.verify.faults import Fault, Note, read


class Sample(NamedTuple):
    """Some images of a test set.

    Attributes:
        size: Number of images of the set.
        chosen: Indices of those in the sample.
        images: These, uint8 (N, 32, 32, 3).
    """

    size: int
    chosen: NDArray[np.int64]
    images: NDArray[np.uint8]


def check_predictions(folder: Path, images: int, threads: int | None, note: Note) -> Iterator[Fault]:
    """Yield the stored predictions that their model does not give when it runs again.

    Args:
        folder: Folder of a finished run.
        images: Number of images of each test set to run a model on, evenly spread over the set.
        threads: CPU threads; None takes every core.
        note: Called with each provider that is not available here.

    Yields:
        The faults.
    """
    samples: dict[Path, Sample | Fault] = {}
    session: tuple[Path, str, Session] | None = None
    skipped = set()
    for path in sorted(prediction_files(folder), key=lambda path: path.with_suffix("")):  # a model's together
        stored = read(load_predictions, path)
        data = images_of(folder, path)
        if data not in samples:
            samples[data] = read(lambda path: _sample(path, images), data)
        sample = samples[data]
        if isinstance(stored, Fault) or isinstance(sample, Fault) or len(stored.labels) != sample.size:
            continue  # the chain names it
        if stored.provider not in PROVIDERS or (lacking := missing(stored.provider)):
            skipped.add(f"{stored.provider}: {lacking if stored.provider in PROVIDERS else 'unknown provider'}")
            continue
        variant, seed, *_ = path.relative_to(folder / "predictions").parts
        graph = folder / "onnx" / variant / seed / f"{stored.precision}.onnx"
        try:
            if session is None or session[:2] != (graph, stored.provider):
                session = graph, stored.provider, open_session(graph, stored.provider, threads)
            given = predict(session[2], graph, sample.images)
        except ResbenchError as error:
            yield Fault(path, f"cannot be compared with its model: {error}")
            continue
        yield from _contradictions(path, stored, graph, sample.chosen, given)
    for line in sorted(skipped):
        note(f"verify: predictions of {line}; they are not run again")


def _sample(data: Path, images: int) -> Sample:
    split = load_split(data)
    count = len(split.labels)
    chosen = np.unique(np.linspace(0, count - 1, min(images, count)).round().astype(int))
    return Sample(count, chosen, split.images[chosen])


def _contradictions(
    path: Path, stored: Predictions, graph: Path, chosen: NDArray[np.int64], given: NDArray[np.float32]
) -> Iterator[Fault]:
    if given.shape[1] != stored.probabilities.shape[1]:
        yield Fault(path, f"has other classes than {graph}")
        return
    difference = np.abs(given - stored.probabilities[chosen]).max(axis=1)
    tolerance = PROVIDERS[stored.provider].tolerance_of(stored.precision)
    wrong = chosen[difference > tolerance]
    if len(wrong):
        yield Fault(
            path,
            f"{len(wrong)} of {len(chosen)} images have other predictions than {graph} gives, the first is test "
            f"image {wrong[0]}: a probability differs by {difference.max():.2g}, more than {tolerance:g}",
        )
