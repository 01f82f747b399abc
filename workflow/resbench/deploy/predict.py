"""What a model says about single pictures, to a person or, line by line, to a program."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resbench.common.errors import ResbenchError, one_line, printable
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
        """Return the line for people."""
        return f"{displayable(self.image)}: " + ", ".join(f"{name} {probability:.1%}" for name, probability in self.top)

    def json(self) -> str:
        """One line: {"image": path, "top": [{"class": name, "probability": p}, …]}, or "error" in place of "top"."""
        if self.error:
            return json.dumps({"image": displayable(self.image), "error": self.error})
        top = [{"class": name, "probability": round(probability, 6)} for name, probability in self.top]
        return json.dumps({"image": displayable(self.image), "top": top})


def displayable(path: Path) -> str:
    """Return a path as one line of text, whatever bytes are in the file's name."""
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def predict_images(model: Path, paths: list[Path], *, as_json: bool = False, labels: Path | None = None) -> bool:
    """Print a line for each picture, and for each in a folder that is named.

    A picture that cannot be read is named on stderr and does not stop the others.

    Args:
        model: An .onnx file.
        paths: Pictures, or folders of them.
        as_json: Whether to print JSON objects.
        labels: Text file of class names, one a line, for a model that names none; None takes the model's.

    Returns:
        Whether all of them could be read.

    Raises:
        ResbenchError: the model itself is bad, or `labels` does not fit it.
    """
    all_read = True
    for answer in classify(model, paths, labels):
        if answer.error:
            say(f"resbench: error: {answer.error}")
            all_read = False
        if as_json or not answer.error:
            print(answer.json() if as_json else answer.text(), flush=True)
    return all_read


def classify(model: Path, paths: list[Path], labels: Path | None = None) -> Iterator[Answer]:
    """Yield an answer for each picture; see `predict_images`."""
    session = open_session(model, BASE_PROVIDER.name, None)
    count = class_count(session)
    named = read_labels(labels, count) if labels else identify(session, model).classes
    classes = named or tuple(f"class {n}" for n in range(count))
    for path in paths:
        try:
            found = pictures(path)
        except ResbenchError as error:
            yield Answer(path, [], _one_line(error))
            continue
        for picture in found:
            try:
                image = read_image(picture)
            except ResbenchError as error:
                yield Answer(picture, [], _one_line(error))
                continue
            probabilities = infer(session, model, image[np.newaxis])[0]
            best = probabilities.argsort()[::-1][:TOP]
            yield Answer(picture, [(classes[n], float(probabilities[n])) for n in best])


def read_labels(path: Path, count: int) -> tuple[str, ...]:
    """Return class names from a text file, one a line, as `labels.txt` of a bundle has them.

    Raises:
        ResbenchError: The file is missing or no text, or does not name `count` classes.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()  # Windows marks its texts
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{path}: cannot be read as text ({one_line(error)})") from error
    names = tuple(line.strip() for line in lines)
    if len(names) != count:
        raise ResbenchError(f"{path}: has {len(names)} names, but the model has {count} classes; write one name a line")
    for number, name in enumerate(names, 1):
        if not name or not name.isprintable():
            raise ResbenchError(f"{path}: line {number} is empty or no text; write one name a line")
    return names


def _one_line(error: ResbenchError) -> str:
    return displayable(Path(str(error)))
