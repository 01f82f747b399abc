"""Classify pictures and print the result: as text, or as one JSON object a line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resbench.common.errors import ResbenchError, one_line, printable
from resbench.common.progress import say
from resbench.data.folders import pictures_in
from resbench.data.pictures import read_image
from resbench.runtime.providers import BASE_PROVIDER
from resbench.runtime.sessions import class_count, identify, infer, open_session

TOP = 3


class Classified(NamedTuple):
    """The result for one picture.

    Attributes:
        image: Path of the picture.
        top: The likeliest classes with their probabilities, in descending order; empty where there is an error.
        error: Why the picture could not be read; None where it could.
    """

    image: Path
    top: list[tuple[str, float]]
    error: str | None = None

    def text(self) -> str:
        """Return the result as a line of text.

        Returns:
            The line.
        """
        return f"{displayable(self.image)}: " + ", ".join(
            f"{name} {100 * probability:.1f} %" for name, probability in self.top
        )

    def json(self) -> str:
        """Return one line: {"image": path, "top": [{"class": name, "probability": p}, …]}, or "error" for "top".

        Returns:
            The line.
        """
        if self.error:
            return json.dumps({"image": displayable(self.image), "error": self.error})
        top = [{"class": name, "probability": round(probability, 6)} for name, probability in self.top]
        return json.dumps({"image": displayable(self.image), "top": top})


def displayable(path: Path) -> str:
    """Return a path as one line of printable text.

    Args:
        path: The path; its name may hold any bytes.

    Returns:
        The text.
    """
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def predict_images(model: Path, paths: list[Path], *, as_json: bool = False, labels: Path | None = None) -> bool:
    """Print a line for each picture, and for each in a folder that is named.

    A picture that cannot be read is named on stderr; the remaining ones are still classified.

    Args:
        model: An .onnx file.
        paths: Pictures, or folders of them.
        as_json: Whether to print JSON objects.
        labels: Text file of class names, one a line, for a model that names none; None takes the model's.

    Returns:
        Whether all of them could be read.

    Raises:
        ResbenchError: The model is bad, or `labels` does not fit it.
    """
    all_read = True
    for result in classify(model, paths, labels):
        if result.error:
            say(f"resbench: error: {result.error}")
            all_read = False
        if as_json or not result.error:
            print(result.json() if as_json else result.text(), flush=True)
    return all_read


def classify(model: Path, paths: list[Path], labels: Path | None = None) -> Iterator[Classified]:
    """Yield the result for each picture.

    Args:
        model: An .onnx file.
        paths: Pictures, or folders of them.
        labels: Text file of class names; None takes the model's.

    Yields:
        A result for each picture.

    Raises:
        ResbenchError: The model is bad, or `labels` does not fit it.
    """
    session = open_session(model, BASE_PROVIDER.name, None)
    count = class_count(session)
    named = read_labels(labels, count) if labels else identify(session, model).classes
    classes = named or tuple(f"class {n}" for n in range(count))
    for path in paths:
        try:
            found = pictures_in(path)
        except ResbenchError as error:
            yield Classified(path, [], _one_line(error))
            continue
        for picture in found:
            try:
                image = read_image(picture)
            except ResbenchError as error:
                yield Classified(picture, [], _one_line(error))
                continue
            probabilities = infer(session, model, image[np.newaxis])[0]
            best = probabilities.argsort()[::-1][:TOP]
            yield Classified(picture, [(classes[n], float(probabilities[n])) for n in best])


def read_labels(path: Path, count: int) -> tuple[str, ...]:
    """Return class names from a text file, one a line, such as `labels.txt` of a bundle.

    Args:
        path: The file.
        count: Number of classes of the model.

    Returns:
        The names.

    Raises:
        ResbenchError: The file is missing or not text, or does not name `count` classes.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()  # Windows marks its texts
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{path}: cannot be read as text ({one_line(error)})") from error
    names = tuple(line.strip() for line in lines)
    if len(names) != count:
        raise ResbenchError(
            f"{path}: has {len(names)} names, but the model has {count} classes; write one name per line"
        )
    for number, name in enumerate(names, 1):
        if not name or not name.isprintable():
            raise ResbenchError(f"{path}: line {number} is empty or not text; write one name per line")
    return names


def _one_line(error: ResbenchError) -> str:
    return displayable(Path(str(error)))
