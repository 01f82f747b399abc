"""Export of a Keras model to an ONNX file that is verified to compute the same function."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray

from resbench.common.checkout import git_state
from resbench.common.errors import ResbenchError
from resbench.common.files import atomic, sha256, write_json
from resbench.data.store import Split, load_split
from resbench.export.counts import multiply_adds
from resbench.export.execution import tolerance
from resbench.export.graph import to_onnx
from resbench.export.loading import load_model
from resbench.export.metadata import write_metadata
from resbench.networks.registry import parameters, reference
from resbench.runtime.providers import BASE_PROVIDER
from resbench.runtime.sessions import open_session, predict
from resbench.statistics.metrics import accuracy_and_loss, agreement
from resbench.training import loop
from resbench.training.record import read_record
from resbench.version import __version__

LARGEST_DIFFERENCE = 1e-4  # between probabilities, where rounding is not amplified; see `tolerance`
WORST_IMAGES = 64  # on which the tolerance is measured where a difference is larger
LEAST_AGREEMENT = 0.9999  # share of the images with the same class


def export_model(
    model_path: Path, data_path: Path, onnx_path: Path, parity_path: Path, *, threads: int | None = None
) -> None:
    """Write the graph and its figures, if ONNX Runtime and Keras agree on every image.

    Args:
        model_path: Model that `resbench train` wrote, .keras.
        data_path: Test images, .npz.
        onnx_path: Graph to write, .onnx.
        parity_path: Figures of the comparison to write, .json.
        threads: Threads of ONNX Runtime; None takes all cores.

    Raises:
        ResbenchError: An input is unreadable, or the graph and the Keras model do not agree.
    """
    record = read_record(model_path)
    data = load_split(data_path)
    if record["classes"] != [str(name) for name in data.classes]:
        raise ResbenchError(f"{data_path}: its classes are not those of {model_path}; use the data it was trained on")
    model = load_model(model_path, record["variant"])
    try:
        graph = to_onnx(model)
    except ResbenchError as error:
        raise ResbenchError(f"{model_path}: {error}") from error
    reference = loop.predict(model, data.images)
    with atomic(onnx_path) as temporary:
        onnx.save_model(graph, temporary)
        exported = predict(open_session(temporary, BASE_PROVIDER.name, threads), model_path, data.images)
        figures = compare(reference, exported, data)
        worst = np.argsort(np.abs(reference - exported).max(axis=1))[-WORST_IMAGES:]
        most = tolerance(graph, data.images[worst], LARGEST_DIFFERENCE, figures["max_abs_diff"])
        refusal = disagreement(figures, most)
        if refusal:
            raise ResbenchError(f"{model_path}: not exported, since {refusal}")
        facts = _facts(model, graph, record) | {"keras_sha256": sha256(model_path), "test_sha256": sha256(data_path)}
        write_metadata(graph, facts | figures)
        onnx.save_model(graph, temporary)
        onnx.checker.check_model(temporary, full_check=True)
        file = {"model_bytes": temporary.stat().st_size, "onnx_sha256": sha256(temporary)}
        write_json(parity_path, facts | file | figures)


def compare(reference: NDArray[np.float32], exported: NDArray[np.float32], data: Split) -> dict[str, Any]:
    """Return how well two sets of class probabilities agree on labelled images.

    Args:
        reference: Keras's probabilities, float32 (N, classes).
        exported: The graph's probabilities, float32 (N, classes).
        data: The images' labels.

    Returns:
        Figures that JSON can hold.
    """
    accuracy, loss = accuracy_and_loss(reference, data.labels)
    same, difference = agreement(reference, exported)
    return {
        "test_images": len(data.labels),
        "top1_agreement": same,
        "max_abs_diff": difference,
        "keras_accuracy": accuracy,
        "keras_loss": loss,
    }


def disagreement(figures: dict[str, Any], most: float = LARGEST_DIFFERENCE) -> str | None:
    """Return why an export must be refused.

    Args:
        figures: What `compare` returned.
        most: Largest difference of a probability to accept.

    Returns:
        The reason; None where the two agree.
    """
    if not figures["max_abs_diff"] <= most:  # also refuses NaN
        return f"a probability differs by {figures['max_abs_diff']:.2g} from Keras's, more than {most:.2g}"
    if figures["top1_agreement"] < LEAST_AGREEMENT:
        share = 100 * figures["top1_agreement"]
        return f"only {share:.4f} % of the images get Keras's class, less than {100 * LEAST_AGREEMENT:.2f} %"
    return None


def _facts(model: keras.Model, graph: onnx.ModelProto, record: dict[str, Any]) -> dict[str, Any]:
    published = reference(record["variant"])
    return record | {
        "precision": "fp32",
        "preprocessing": "none: uint8 RGB pixels, scaled inside",
        "parameters": parameters(model),
        "macs": multiply_adds(graph),
        "published_accuracy": published and published.accuracy,
        "published_loss": published and published.loss,
        "published_protocol": published and published.protocol,
        "published_source": published and published.source,
        "published_kind": published and published.kind,
        "resbench": __version__,
        "git": git_state(),
    }
