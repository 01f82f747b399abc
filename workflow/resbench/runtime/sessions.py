"""ONNX Runtime sessions that are what they say: the provider asked for, or an error."""

import contextlib
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError, one_line
from resbench.common.system import available_cores, cards
from resbench.runtime.providers import PROVIDERS

MAX_CLASSES = 256  # labels are uint8
LOG_ERRORS = 3

Probabilities = NDArray[np.float32]


class Identity(NamedTuple):
    """What a model's metadata say it is.  A foreign model goes by its file's name; the rest is empty."""

    variant: str
    seed: str
    precision: str
    classes: tuple[str, ...]


def missing(provider: str) -> str | None:
    """What this machine or this build of ONNX Runtime lacks for `provider`; None where nothing is known to be.

    A library that is not installed shows when a session is opened: `open_session` says which.
    """
    record = PROVIDERS[provider]
    if record.native_name not in ort.get_available_providers():
        return f"this build of onnxruntime lacks it; install resbench[{record.extra}]"
    if record.needs_gpu and not (any(Path("/dev").glob("nvidia[0-9]*")) or cards(["index"])):
        return (
            "no NVIDIA GPU here (no /dev/nvidia*, and nvidia-smi lists none); "
            "run on a GPU machine, or use --provider cpu"
        )
    return None


def check_provider(provider: str) -> None:
    """Raises ResbenchError, saying what is missing, where `provider` cannot be had."""
    if reason := missing(provider):
        raise ResbenchError(f"--provider {provider}: {reason}")


def open_session(
    model: Path, provider: str, threads: int | None, options: dict[str, str] | None = None
) -> ort.InferenceSession:
    """Load a model and make sure that it runs, whole, on `provider`.

    ONNX Runtime by itself falls back to the CPU without an error when a GPU library is missing, and
    places single nodes there when the provider lacks them.  Both are refused here.

    Args:
        model: .onnx with `image: uint8[N,32,32,3]` in and `probabilities: float32[N,C]` out.
        provider: cpu, cuda or tensorrt.
        threads: intra-op threads; None takes every core available to the process.  Never left to
            the runtime, whose default pins threads to cores that a batch job may not own.
        options: the provider's own, by ONNX Runtime's names.

    Raises:
        ResbenchError: the provider cannot be had, or the file is no model of this kind.
    """
    check_provider(provider)
    record = PROVIDERS[provider]
    if not model.is_file():
        raise ResbenchError(f"{model}: no such file; make it with `resbench export`")
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads or available_cores()
    settings.inter_op_num_threads = 1
    settings.log_severity_level = LOG_ERRORS
    settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if not record.needs_gpu:
        ort.set_default_logger_severity(LOG_ERRORS + 1)  # what it would print, the exception says again
    else:
        settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
            ort.preload_dlls()
    try:
        session = ort.InferenceSession(
            model, settings, providers=[(record.native_name, options or {})], enable_fallback=0
        )
    except Exception as error:  # the runtime's exceptions share no narrower base
        if not record.needs_gpu:
            message = f"not a model that loads ({one_line(error)}); make it with `resbench export`"
        else:
            message = f"does not run on {provider} ({one_line(error)}); install resbench[gpu], or use --provider cpu"
        raise ResbenchError(f"{model}: {message}") from error
    if session.get_providers()[0] != record.native_name:
        raise ResbenchError(
            f"{model}: asked for {provider}, got {session.get_providers()[0]}; install resbench[gpu], "
            "or use --provider cpu"
        )
    _check_contract(session, model)
    return session


def nodes_by_provider(session: ort.InferenceSession) -> dict[str, int]:
    """How many nodes of the optimised graph each execution provider was given, by ONNX Runtime's names."""
    counts: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counts[part.ep_name] += len(part.get_nodes())
    return dict(counts)


def provider_share(nodes: dict[str, int], provider: str) -> float:
    """The fraction of `nodes_by_provider` that `provider` was given."""
    return nodes.get(PROVIDERS[provider].native_name, 0) / max(sum(nodes.values()), 1)


def identify(session: ort.InferenceSession, model: Path) -> Identity:
    """Read the metadata that `resbench export` wrote, as untrusted as the rest of the file.

    Raises:
        ResbenchError: they are there and malformed.
    """
    metadata = session.get_modelmeta().custom_metadata_map
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


def class_count(session: ort.InferenceSession) -> int:
    return int(session.get_outputs()[0].shape[1])


def infer(session: ort.InferenceSession, model: Path, images: NDArray[np.uint8]) -> Probabilities:
    """Class probabilities, float32 (N, C), of `images`, uint8 (N, 32, 32, 3).

    Raises:
        ResbenchError: the model fails on them or answers anything but probabilities.
    """
    try:
        output = session.run(["probabilities"], {"image": images})[0]
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


def _check_contract(session: ort.InferenceSession, model: Path) -> None:
    inputs = [(node.name, node.type, node.shape) for node in session.get_inputs()]
    outputs = [(node.name, node.type, node.shape) for node in session.get_outputs()]
    any_batch = len(inputs) == 1 and len(inputs[0][2]) == 4 and not isinstance(inputs[0][2][0], int)
    if not any_batch or inputs[0][:2] != ("image", "tensor(uint8)") or inputs[0][2][1:] != list(IMAGE_SHAPE):
        raise ResbenchError(
            f"{model}: takes {_signature(inputs)} instead of image: uint8[N,32,32,3]; make it with `resbench export`"
        )
    fits = len(outputs) == 1 and outputs[0][:2] == ("probabilities", "tensor(float)") and len(outputs[0][2]) == 2
    if not fits or not isinstance(outputs[0][2][1], int) or not 2 <= outputs[0][2][1] <= MAX_CLASSES:
        raise ResbenchError(
            f"{model}: returns {_signature(outputs)} instead of probabilities: float32[N,C]; "
            "make it with `resbench export`"
        )


def _signature(nodes: list[tuple[str, str, list[Any]]]) -> str:
    text = ", ".join(f"{name}: {kind}{shape}" for name, kind, shape in nodes) or "nothing"
    return "".join(c for c in text if c.isprintable())[:200].replace("'", "")
