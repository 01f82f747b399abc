"""Sessions that are what they say: the model keeps the contract, on the provider asked for, or there is an error."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError, one_line
from resbench.common.system import available_cores
from resbench.runtime.backend import LoadError, Session, Tensor, load_backend
from resbench.runtime.providers import PROVIDERS, Provider
from resbench.runtime.providers import provider as provider_record

MAX_CLASSES = 256  # labels are uint8

Probabilities = NDArray[np.float32]


class Identity(NamedTuple):
    """What a model's metadata say it is.  A foreign model goes by its file's name; the rest is empty."""

    variant: str
    seed: str
    precision: str
    classes: tuple[str, ...]


def missing(provider: str) -> str | None:
    """Return what this machine or this installation lacks for `provider`; None where nothing is known to be.

    A library that is not installed may show only when a session is opened: `open_session` says which.
    """
    record = provider_record(provider)
    try:
        return load_backend(record).unavailable(record)
    except ImportError:
        return f"its runtime is not installed; install resbench[{record.extra or 'cpu'}]"


def check_provider(provider: str, options: Mapping[str, str] | None = None) -> None:
    """Refuse a provider that cannot be had, and options that cannot work with how models are called here.

    Args:
        provider: A name in `PROVIDERS`.
        options: The provider's own, by the runtime's names.

    Raises:
        ResbenchError: It says what is missing, or why an option cannot be used.
    """
    record = provider_record(provider)
    for name, value in (options or {}).items():
        if reason := record.refusal(name, value):
            raise ResbenchError(f"--provider-option {provider}.{name}: {reason}")
    if reason := missing(provider):
        raise ResbenchError(f"--provider {provider}: {reason}")


def open_session(model: Path, provider: str, threads: int | None, options: Mapping[str, str] | None = None) -> Session:
    """Load a model and make sure that it runs, whole, on `provider`.

    Args:
        model: .onnx with `image: uint8[N,32,32,3]` in and `probabilities: float32[N,C]` out; untrusted.
        provider: A name in `PROVIDERS`.
        threads: Threads that one call may use; None takes every core available to the process.
        options: The provider's own, by the runtime's names; they override the record's defaults.

    Returns:
        The session, warm in no sense: the first call is still to come.

    Raises:
        ResbenchError: The provider cannot be had, or the file is no model of this kind.
    """
    check_provider(provider, options)
    record = PROVIDERS[provider]
    if not model.is_file():
        raise ResbenchError(f"{model}: no such file; make it with `resbench export`")
    chosen = {**record.default_options, **(options or {})}
    try:
        session = load_backend(record).open(model, record, threads or available_cores(), chosen)
    except LoadError as error:
        raise ResbenchError(f"{model}: {_refusal(record, error, given=bool(options))}") from error
    _check_contract(session, model)
    return session


def _refusal(record: Provider, error: LoadError, *, given: bool) -> str:
    """On a processor the file is at fault, or an option where some are given; on a GPU a library may be missing."""
    if not record.needs_gpu:
        options = ", and see what --provider-option it was given" if given else ""
        name = load_backend(record).runtime().name
        return f"not a model that loads in {name} ({error}); make it with `resbench export`{options}"
    return f"does not run on {record.name} ({error}); install resbench[{record.extra}], or use --provider cpu"


def provider_share(nodes: dict[str, int], provider: str) -> float:
    """Return the fraction of the nodes of a `Session.node_placement` that `provider` executes."""
    return nodes.get(PROVIDERS[provider].native_name, 0) / max(sum(nodes.values()), 1)


def identify(session: Session, model: Path) -> Identity:
    """Read the metadata that `resbench export` wrote, as untrusted as the rest of the file.

    Raises:
        ResbenchError: they are there and malformed.
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
    """Return how many classes the model knows."""
    classes = session.outputs[0].shape[1]
    assert classes is not None  # the contract
    return classes


def infer(session: Session, model: Path, images: NDArray[np.uint8]) -> Probabilities:
    """Class probabilities, float32 (N, C), of `images`, uint8 (N, 32, 32, 3).

    Raises:
        ResbenchError: the model fails on them or answers anything but probabilities.
    """
    try:
        output = session.run(images)
    except Exception as error:  # the runtime's exceptions share no narrower base
        raise ResbenchError(f"{model}: fails on {len(images)} images ({one_line(error)}); export it again") from error
    return check_probabilities(output, len(images), class_count(session), model)


def check_probabilities(output: Any, images: int, classes: int, model: Path) -> Probabilities:
    """`output` itself, once it is float32 (images, classes) and each row is a distribution.

    The tolerance of 0.01 lets float16 arithmetic pass and stops logits.
    """
    if output.shape != (images, classes):
        raise ResbenchError(f"{model}: answers {images} images with shape {output.shape}; export it again")
    if not np.isfinite(output).all():
        raise ResbenchError(f"{model}: answers NaN or infinity; train the model again, with a lower learning rate")
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
    """As in `image: uint8[?,32,32,3]`, with ? for a free dimension; names are the file's, untrusted."""
    shapes = [",".join("?" if size is None else str(size) for size in tensor.shape) for tensor in tensors]
    text = ", ".join(f"{one.name}: {one.type}[{shape}]" for one, shape in zip(tensors, shapes, strict=True))
    return "".join(c for c in text or "nothing" if c.isprintable())[:200].replace("'", "")
