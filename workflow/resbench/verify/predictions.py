"""Whether each model still gives its stored predictions."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from resbench.benchmark.predictions import load_predictions, predict
from resbench.common.errors import ResbenchError
from resbench.data.store import load_split
from resbench.runtime.providers import PROVIDERS
from resbench.runtime.sessions import missing, open_session
from resbench.verify.faults import Fault, read


def check_predictions(folder: Path, images: int, threads: int | None, note: Callable[[str], None]) -> Iterator[Fault]:
    """Yield the predictions that the model beside them does not give.

    Args:
        folder: of a finished run.
        images: how many test images each model is run on, evenly spread over the test set.
        threads: for these calls; None takes every core.
        note: called with the providers that cannot be had here.
    """
    test = read(load_split, folder / "data/test.npz")
    if isinstance(test, Fault):
        yield test
        return
    chosen = np.unique(np.linspace(0, len(test.labels) - 1, min(images, len(test.labels))).round().astype(int))
    skipped = set()
    for path in sorted(folder.glob("predictions/*/*/*.npz")):
        stored = read(load_predictions, path)
        if isinstance(stored, Fault) or len(stored.labels) != len(test.labels):
            continue  # the chain names it
        if stored.provider not in PROVIDERS or (lacking := missing(stored.provider)):
            skipped.add(f"{stored.provider}: {lacking if stored.provider in PROVIDERS else 'no such provider'}")
            continue
        graph = folder / "onnx" / path.parent.relative_to(folder / "predictions") / f"{stored.precision}.onnx"
        try:
            given = predict(open_session(graph, stored.provider, threads), graph, test.images[chosen])
        except ResbenchError as error:
            yield Fault(path, f"cannot be compared with its model: {error}")
            continue
        if given.shape[1] != stored.probabilities.shape[1]:
            yield Fault(path, f"has other classes than {graph}")
            continue
        difference = np.abs(given - stored.probabilities[chosen]).max(axis=1)
        tolerance = PROVIDERS[stored.provider].tolerance_of(stored.precision)
        wrong = chosen[difference > tolerance]
        if len(wrong):
            yield Fault(
                path,
                f"{len(wrong)} of {len(chosen)} images have other predictions than {graph} gives, the first is test "
                f"image {wrong[0]}: a probability differs by {difference.max():.2g}, more than {tolerance:g}",
            )
    for line in sorted(skipped):
        note(f"verify: predictions of {line}; they are not run again")
