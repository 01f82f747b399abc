"""What a model says about single pictures, to a person or, line by line, to a program."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resbench.common.errors import ResbenchError
from resbench.common.progress import say
from resbench.data.pictures import pictures, read_image
from resbench.runtime.providers import BASE_PROVIDER
from resbench.runtime.sessions import class_count, identify, infer, open_session

TOP = 3


class Answer(NamedTuple):
    """The likeliest classes of one picture with their probabilities, best first; or why there are none."""

    image: Path
    top: list[tuple[str, float]]
    error: str | None = None

    def text(self) -> str:
        return f"{self.image}: " + ", ".join(f"{name} {probability:.1%}" for name, probability in self.top)

    def json(self) -> str:
        """One line: {"image": path, "top": [{"class": name, "probability": p}, …]}, or "error" in place of "top"."""
        if self.error:
            return json.dumps({"image": str(self.image), "error": self.error})
        top = [{"class": name, "probability": round(probability, 6)} for name, probability in self.top]
        return json.dumps({"image": str(self.image), "top": top})


def predict_images(model: Path, paths: list[Path], *, as_json: bool = False) -> bool:
    """Print a line for each picture, and for each in a folder that is named.

    A picture that cannot be read is named on stderr and does not stop the others.

    Returns:
        Whether all of them could be read.

    Raises:
        ResbenchError: the model itself is bad.
    """
    all_read = True
    for answer in classify(model, paths):
        if answer.error:
            say(f"resbench: error: {answer.error}")
            all_read = False
        if as_json or not answer.error:
            print(answer.json() if as_json else answer.text(), flush=True)
    return all_read


def classify(model: Path, paths: list[Path]) -> Iterator[Answer]:
    """Raises ResbenchError where the model itself is bad."""
    session = open_session(model, BASE_PROVIDER.name, None)
    classes = identify(session, model).classes or tuple(f"class {n}" for n in range(class_count(session)))
    for path in paths:
        try:
            found = pictures(path)
        except ResbenchError as error:
            yield Answer(path, [], str(error))
            continue
        for picture in found:
            try:
                image = read_image(picture)
            except ResbenchError as error:
                yield Answer(picture, [], str(error))
                continue
            probabilities = infer(session, model, image[np.newaxis])[0]
            best = probabilities.argsort()[::-1][:TOP]
            yield Answer(picture, [(classes[n], float(probabilities[n])) for n in best])
