"""One deployable folder for a network: a model as Triton serves it, its labels, and a card that describes it."""

import shutil
from pathlib import Path

import numpy as np

from resbench.benchmark.predictions import Predictions, load_predictions, save_predictions
from resbench.common.errors import ResbenchError
from resbench.common.files import CHECKSUMS, atomic_folder, checksum_lines, sha256
from resbench.data.store import Split, load_split, save_split
from resbench.deploy.card import EvaluatedModel, render_card
from resbench.deploy.deployment import read_decision, read_rows, read_test_set_results
from resbench.runtime.providers import BASE_PROVIDER, Provider, provider
from resbench.runtime.sessions import identify, open_session

VERSION = "1"  # Triton's name of the model's only version
WARM_UP_IMAGE = "image.uint8"
CHECK_IMAGES = 64  # some 200 kB


def write_bundle(
    folder: Path,
    models: list[Path],
    predictions: list[Path],
    report: Path,
    recommendation: Path,
    test: Path,
    robustness: Path | None = None,
) -> None:
    """Write the bundle of a network: its recommended precision, and everything that is needed to serve it.

    The folder appears complete or not at all.

    Args:
        folder: Folder to write, named as the served model; must not exist yet.
        models: The .onnx files of one variant and seed, in every precision that may be deployed.
        predictions: What `evaluate` wrote for each of them with the provider that bundles run on.
        report: report.csv.
        recommendation: recommendation.json, which decides the precision.
        test: The test images; one of them warms the server up.
        robustness: robustness.csv; None where there is no further test set.

    Raises:
        ResbenchError: A file is unreadable, the files are not of one run, or nothing is recommended for this network.
    """
    candidates = match(models, predictions)
    variant = next(iter(candidates.values())).identity.variant
    decision = read_decision(recommendation, variant)
    place, precision = decision.place, decision.precision.model.precision
    if precision not in candidates:
        there = ", ".join(candidates)
        raise ResbenchError(
            f"{recommendation}: recommends {variant} in {precision}, of which no file is given: {there}"
        )
    deployed = candidates[precision]
    rows = [row for row in read_rows(report, variant, place.provider, place.host) if row.precision in candidates]
    settings = {row.setting for row in rows if row.precision == precision}
    if place.setting not in settings:
        raise ResbenchError(f"{report}: has no {variant} in {precision} where {recommendation} recommends it")
    on_test_sets = read_test_set_results(robustness, variant, precision, place.provider) if robustness else []
    split = load_split(test)
    if not np.array_equal(split.labels, deployed.predictions.labels):
        raise ResbenchError(f"{test}: not the images of the --predictions; name the file that was evaluated")
    classes, batch_sizes = deployed.identity.classes, sorted({batch_size for batch_size, _ in settings})
    texts = {
        "config.pbtxt": triton_config(folder.name, len(classes), provider(place.provider), place.threads, batch_sizes),
        "labels.txt": "".join(f"{name}\n" for name in classes),
        "README.md": render_card(deployed, candidates.get("fp32"), rows, decision, on_test_sets),
    }
    with atomic_folder(folder) as temporary:
        _write_files(temporary, deployed, split, texts)


def _write_files(folder: Path, deployed: EvaluatedModel, split: Split, texts: dict[str, str]) -> None:
    """Write the model, an image that warms the server up, the texts by their names, a check, and hashes of all."""
    for name in (VERSION, "warmup"):
        (folder / name).mkdir()
    shutil.copyfile(deployed.model, folder / VERSION / "model.onnx")
    (folder / "warmup" / WARM_UP_IMAGE).write_bytes(split.images[0].tobytes())
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    _write_check(folder / "check", split, deployed.predictions)
    files = {path: path for path in sorted(folder.rglob("*")) if path.is_file()}
    (folder / CHECKSUMS).write_text(checksum_lines(files, folder), encoding="utf-8")


def _write_check(folder: Path, split: Split, predictions: Predictions) -> None:
    """Write the first test images and their predictions, against which `resbench measure` checks the model."""
    some = slice(CHECK_IMAGES)
    save_split(folder / "test.npz", Split(split.images[some], split.labels[some], split.classes))
    few = predictions._replace(probabilities=predictions.probabilities[some], labels=predictions.labels[some])
    save_predictions(folder / "predictions.npz", few)


def match(models: list[Path], predictions: list[Path]) -> dict[str, EvaluatedModel]:
    """Return each model with its predictions, by precision.

    Args:
        models: The .onnx files of one variant and seed.
        predictions: What `evaluate` wrote for them.

    Returns:
        Each model with its predictions, by precision.

    Raises:
        ResbenchError: A model has no predictions, or is of another variant or seed.
    """
    by_model = {read.model_sha256: read for read in map(load_predictions, predictions)}
    candidates: dict[str, EvaluatedModel] = {}
    for model in models:
        session = open_session(model, BASE_PROVIDER.name, 1)
        identity = identify(session, model)
        own = by_model.get(sha256(model))
        if own is None or not identity.classes:
            raise ResbenchError(f"{model}: none of the --predictions is of this file; evaluate it again")
        for first in candidates.values():
            if (identity.variant, identity.seed) != (first.identity.variant, first.identity.seed):
                raise ResbenchError(f"{model}: of another variant or seed than {first.model}; bundle one at a time")
        facts = dict(session.metadata)
        candidates[identity.precision] = EvaluatedModel(model, identity, facts, own)
    return candidates


def triton_config(name: str, classes: int, where: Provider, threads: int, batch_sizes: list[int]) -> str:
    """Return config.pbtxt for Triton's ONNX Runtime backend; requests that wait at the same time become one batch.

    The server reports ready once it has run a real image in every measured batch size, so that no caller waits for
    the runtime's first call.  It serves only the version that the card describes.

    Args:
        name: Name of the served model.
        classes: Number of classes.
        where: Provider of the model.
        threads: Threads that one call may use.
        batch_sizes: Batch sizes that were measured, ascending.

    Returns:
        The text.
    """
    warm_up = ",\n".join(_warm_up(batch_size) for batch_size in batch_sizes)
    return f"""\
name: "{name}"
backend: "onnxruntime"
max_batch_size: {batch_sizes[-1]}
input [ {{ name: "image" data_type: TYPE_UINT8 dims: [ 32, 32, 3 ] }} ]
output [ {{ name: "probabilities" data_type: TYPE_FP32 dims: [ {classes} ] label_filename: "labels.txt" }} ]
version_policy {{ specific {{ versions: [ {VERSION} ] }} }}
dynamic_batching {{ }}
instance_group [ {{ count: 1 kind: {where.triton_kind} }} ]
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "{threads}" }} }}
model_warmup [
{warm_up}
]
{_accelerator(where)}"""


def _warm_up(batch_size: int) -> str:
    """Return one entry of model_warmup; Triton repeats the image to fill the batch."""
    image = f'data_type: TYPE_UINT8 dims: [ 32, 32, 3 ] input_data_file: "{WARM_UP_IMAGE}"'
    inputs = f'inputs {{ key: "image" value {{ {image} }} }}'
    return f'  {{ name: "batch of {batch_size}" batch_size: {batch_size} {inputs} }}'


def _accelerator(where: Provider) -> str:
    """Return the part of config.pbtxt that selects an accelerator; empty for Triton's defaults, the CPU and CUDA."""
    if not where.triton_accelerator:
        return ""
    kind = f"{'gpu' if where.needs_gpu else 'cpu'}_execution_accelerator"
    return f'optimization {{ execution_accelerators {{ {kind} : [ {{ name : "{where.triton_accelerator}" }} ] }} }}\n'
