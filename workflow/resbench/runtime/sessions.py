"""Sessions whose model keeps the contract and runs on the requested provider; anything else is an error."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError, installing, one_line
from resbench.common.progress import Progress
from resbench.common.system import available_cores
from resbench.runtime.backend import LoadError, Session, Tensor, load_backend
from resbench.runtime.providers import PROVIDERS, Provider
from resbench.runtime.providers import provider as provider_record

MAX_CLASSES = 256  # labels are uint8
BATCH = 256  # large enough to keep every core busy; its activations take some 100 MB in the published networks

Probabilities = NDArray[np.float32]


class Identity(NamedTuple):
    """What a model's metadata say it is; a model from elsewhere has its file's name as variant, and nothing else.

    Attributes:
        variant: Name of the network.
        seed: Seed of its training.
        precision: `fp32`, `int8` or `fp16`.
        classes: Names of its classes.
    """

    variant: str
    seed: str
    precision: str
    classes: tuple[str, ...]


def missing(provider: str) -> str | None:
    """Return what this machine or this installation lacks for a provider.

    A library that is not installed may be detected only when a session is opened; then `open_session` names it.

    Args:
        provider: A name in `PROVIDERS`.

    Returns:
        The reason in one line; None where nothing is known to be missing.
    """
    record = provider_record(provider)
    try:
        return load_backend(record).unavailable(record)
    except ImportError:
        return f"its runtime is not installed; {installing(record.extra or 'cpu')}"


def check_provider(provider: str, options: Mapping[str, str] | None = None) -> None:
    """Refuse a provider that is not available, and options that cannot work with how models are called here.

    Args:
        provider: A name in `PROVIDERS`.
        options: Options of the provider, by the runtime's names.

    Raises:
        ResbenchError: Something is missing, or an option cannot be used.
    """
    record = provider_record(provider)
    for name, value in (options or {}).items():
        if reason := record.refusal(name, value):
            raise ResbenchError(f"--provider-option {provider}.{name}: {reason}")
    if reason := missing(provider):
        raise ResbenchError(f"--provider {provider}: {reason}")


def open_session(model: Path, provider: str, threads: int | None, options: Mapping[str, str] | None = None) -> Session:
    """Load a model and make sure that all of it runs on a provider.

    Args:
        model: .onnx with `image: uint8[N,32,32,3]` as input and `probabilities: float32[N,C]` as output; untrusted.
        provider: A name in `PROVIDERS`.
        threads: Threads that one call may use; None takes every core available to the process.
        options: Options of the provider, by the runtime's names; they override the record's defaults.

    Returns:
        The session, before its first inference.

    Raises:
        ResbenchError: The provider is not available, or the file is not a model of this kind.
    """
    check_provider(provider, options)
    record = PROVIDERS[provider]
    if not model.is_file():
        raise ResbenchError(
            f"{model}: is a folder; name an .onnx file in it, such as 1/model.onnx in a bundle"
            if model.is_dir()
            else f"{model}: no such file; make it with `resbench export`"
        )
    chosen = {**record.default_options, **(options or {})}
    try:
        session = load_backend(record).open(model, record, threads or available_cores(), chosen)
    except LoadError as error:
        raise ResbenchError(f"{model}: {_refusal(record, error, given=bool(options))}") from error
    _check_contract(session, model)
    return session


def _refusal(record: Provider, error: LoadError, *, given: bool) -> str:
    """Return why a model did not load: on a processor the file or an option is wrong, on a GPU a library may lack."""
    if not record.needs_gpu:
        options = ", and check the values of --provider-option" if given else ""
        name = load_backend(record).runtime().name
        return f"not a model that loads in {name} ({error}); make it with `resbench export`{options}"
    return f"does not run on {record.name} ({error}); {installing(record.extra)}, or measure on the provider cpu"


def provider_share(nodes: dict[str, int], provider: str) -> float:
    """Return the fraction of the nodes that a provider executes.

    Args:
        nodes: What `Session.node_placement` returned.
        provider: A name in `PROVIDERS`.

    Returns:
        The fraction.
    """
    return nodes.get(PROVIDERS[provider].native_name, 0) / max(sum(nodes.values()), 1)


def identify(session: Session, model: Path) -> Identity:
    """Read the metadata that `resbench export` wrote, which are as untrusted as the rest of the file.

    Args:
        session: The loaded model.
        model: Its file.

    Returns:
        What they say.

    Raises:
        ResbenchError: They are malformed.
    """
    metadata = session.metadata
    try:
        classes = json.loads(metadata.get("classes", "[]"))
    except (ValueError, RecursionError):
        classes = None
    names = [metadata.get(key, "") for key in ("variant", "seed", "precision")]
    good = (
        isinstance(classes, list)
        and all(isinstance(name, str) and name.isprintable() for name in classes)
        and len(classes) in (0, class_count(session))
        and all(re.fullmatch(r"[\w.-]{0,64}", name) for name in names)
    )
    if not good:
        raise ResbenchError(f"{model}: its metadata are malformed; make it again with `resbench export`")
    variant, seed, precision = names
    return Identity(variant or model.stem, seed, precision, tuple(classes))


def class_count(session: Session) -> int:
    """Return the number of a model's classes.

    Args:
        session: The loaded model.

    Returns:
        The number.
    """
    classes = session.outputs[0].shape[1]
    assert classes is not None  # the contract
    return classes


def infer(session: Session, model: Path, images: NDArray[np.uint8]) -> Probabilities:
    """Return class probabilities and check them.

    Args:
        session: The loaded model.
        model: Its file, for messages.
        images: uint8 (N, 32, 32, 3).

    Returns:
        float32 (N, C).

    Raises:
        ResbenchError: The model fails on the images, or returns anything but probabilities.
    """
    try:
        output = session.run(images)
    except Exception as error:  # the runtime's exceptions share no narrower base
        raise ResbenchError(f"{model}: fails on {len(images)} images ({one_line(error)}); export it again") from error
    return check_probabilities(output, len(images), class_count(session), model)


def predict(session: Session, model: Path, images: NDArray[np.uint8]) -> Probabilities:
    """Return class probabilities of any number of images, batch by batch.

    Args:
        session: The loaded model.
        model: Its file, for messages.
        images: uint8 (N, 32, 32, 3).

    Returns:
        float32 (N, C).

    Raises:
        ResbenchError: See `infer`.
    """
    progress = Progress(f"evaluate {model}")
    parts = []
    for start in range(0, len(images), BATCH):
        parts.append(infer(session, model, images[start : start + BATCH]))
        progress.update(min(1.0, (start + BATCH) / len(images)))
    progress.clear()
    return np.concatenate(parts)


def check_probabilities(output: Any, images: int, classes: int, model: Path) -> Probabilities:
    """Check a model's output; the tolerance of 0.01 accepts float16 arithmetic and refuses logits.

    Args:
        output: What the model returned.
        images: Number of images, N.
        classes: Number of classes, C.
        model: Its file, for messages.

    Returns:
        The output, float32 (N, C).

    Raises:
        ResbenchError: It has another shape, is not finite, or a row does not sum to 1.
    """
    if output.shape != (images, classes):
        raise ResbenchError(f"{model}: returns shape {output.shape} for {images} images; export it again")
    if not np.isfinite(output).all():
        raise ResbenchError(f"{model}: returns NaN or infinity; train the model again, with a lower learning rate")
    if output.min() < -0.01 or np.abs(output.sum(axis=1) - 1).max() > 0.01:
        raise ResbenchError(f"{model}: its output is not probabilities (rows must sum to 1); export it again")
    probabilities: Probabilities = output
    return probabilities


def _check_contract(session: Session, model: Path) -> None:
    image = [Tensor("image", "uint8", (None, *IMAGE_SHAPE))]
    if session.inputs != image:
        raise ResbenchError(
            f"{model}: takes {_signature(session.inputs)} instead of image: uint8[N,32,32,3]; "
            "make it with `resbench export`"
        )
    outputs = session.outputs
    fits = len(outputs) == 1 and outputs[0][:2] == ("probabilities", "float32") and len(outputs[0].shape) == 2
    if not fits or not 2 <= (outputs[0].shape[1] or 0) <= MAX_CLASSES:
        raise ResbenchError(
            f"{model}: returns {_signature(outputs)} instead of probabilities: float32[N,C]; "
            "make it with `resbench export`"
        )


def _signature(tensors: list[Tensor]) -> str:
    """Return text such as `image: uint8[?,32,32,3]`, with ? for a free dimension; names are the file's, untrusted."""
    shapes = [",".join("?" if size is None else str(size) for size in tensor.shape) for tensor in tensors]
    text = ", ".join(f"{one.name}: {one.type}[{shape}]" for one, shape in zip(tensors, shapes, strict=True))
    return "".join(c for c in text or "nothing" if c.isprintable())[:200].replace("'", "")
