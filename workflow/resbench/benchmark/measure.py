"""Measure exported models on the machine they are to run on: check their outputs there, then time them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resbench.benchmark.latency import measure_latency
from resbench.benchmark.plan import LatencyRequest, identify_all
from resbench.benchmark.predictions import Predictions, evaluate_test_sets, load_predictions
from resbench.common.errors import ResbenchError
from resbench.common.files import atomic_folder, sha256, write_json
from resbench.common.progress import say
from resbench.data.store import Split, load_split
from resbench.runtime.providers import BASE_PROVIDER, PROVIDERS, Provider
from resbench.runtime.sessions import Identity, check_provider
from resbench.statistics.metrics import agreement

# Share of the images; smaller precisions round differently on other processors, and fp32 has its provider's tolerance.
LEAST_AGREEMENT = 0.95


class Source(NamedTuple):
    """A model to measure.

    Attributes:
        model: Its .onnx file.
        images: Images that it was evaluated on, .npz; None for a model alone.
        predictions: Its stored predictions of these; None for a model alone.
    """

    model: Path
    images: Path | None = None
    predictions: Path | None = None


def measure_models(paths: list[Path], output: Path, request: LatencyRequest) -> None:
    """Check and time models on this machine and write a folder that a report can include.

    The folder, which appears complete or not at all, is laid out as a results folder: `latency/PROVIDER/samples.csv`
    and `host.json` (see `measure_latency`), `predictions/VARIANT/seedN/PRECISION-PROVIDER.npz`, made here, and
    `agreement.json`: for each model, how far these are from the stored ones. Finished rounds of an interrupted
    measurement are kept in a hidden folder next to `output`, and the same command continues from there.

    Args:
        paths: Results folders, bundles and .onnx files; see `find_sources`.
        output: Folder to write; it must not exist yet.
        request: How they are measured; models in precisions that the provider is not measured in are left out.

    Raises:
        ResbenchError: A path holds no model, the provider is not available, the models are not of the same images, or a
            model computes a different function here than where it was exported.
    """
    check_provider(request.provider, request.options)
    provider = PROVIDERS[request.provider]
    sources = [source for path in paths for source in find_sources(path, provider)]
    identities = identify_all([source.model for source in sources])
    chosen = [source for source in sources if provider.supports(identities[source.model].precision)]
    notes = [
        f"{source.model} was left out: {identities[source.model].precision} is not measured on {provider.name}"
        for source in sources
        if source not in chosen
    ]
    if not chosen:
        raise ResbenchError(
            f"--provider {provider.name}: none of the models is in {' or '.join(sorted(provider.precisions))}"
        )
    data = _shared_images(chosen)
    with atomic_folder(output) as folder:
        predictions = []
        rows = []
        for source in chosen if data else []:
            identity = identities[source.model]
            place = f"{identity.variant}/seed{identity.seed or '-'}/{identity.precision or 'fp32'}-{provider.name}.npz"
            predictions.append(folder / "predictions" / place)
            rows.append(_evaluate(source, identity, provider, predictions[-1], request.options))
        write_json(folder / "agreement.json", rows)
        measure_latency(
            [source.model for source in chosen],
            request,
            folder / "latency" / provider.name / "samples.csv",
            folder / "latency" / provider.name / "host.json",
            data=data,
            predictions=predictions,
            checkpoints=output.absolute().with_name(f".{output.name}.rounds"),
            notes=notes,
        )


def find_sources(path: Path, provider: Provider) -> list[Source]:
    """Return the models that a path stands for.

    Args:
        path: A results folder (of each variant, the models of its first seed in every precision), a bundle, an .onnx
            file in a results folder, or any other .onnx file, which then has no stored predictions.
        provider: Whose stored predictions are preferred to those of the provider that every install has.

    Returns:
        The models.

    Raises:
        ResbenchError: It is none of these.
    """
    if (path / "onnx").is_dir():
        first: dict[str, Path] = {}
        for folder in sorted(path.glob("onnx/*/seed*"), key=_seed):
            first.setdefault(folder.parent.name, folder)
        models = [model for folder in first.values() for model in sorted(folder.glob("*.onnx"))]
        if models:
            return [_of_results(path, model, provider) for model in models]
    if (path / "1" / "model.onnx").is_file():
        check = path / "check"
        stored = (check / "test.npz", check / "predictions.npz") if check.is_dir() else (None, None)
        return [Source(path / "1" / "model.onnx", *stored)]
    if path.is_file():
        model = path.absolute()
        in_results = len(model.parents) > 3 and (model.parents[2].name, model.parents[3] / "data/test.npz")
        if in_results and in_results[0] == "onnx" and in_results[1].is_file():
            return [_of_results(model.parents[3], path, provider)]
        return [Source(path)]
    raise ResbenchError(
        f"{path}: not a results folder, bundle or .onnx file; name what `resbench export` or bundle wrote"
    )


def _seed(folder: Path) -> int:
    number = re.fullmatch(r"seed(\d+)", folder.name)
    return int(number[1]) if number else 2**32


def _of_results(root: Path, model: Path, provider: Provider) -> Source:
    """Return the model with its stored predictions: of this provider, or of the one that every install has."""
    variant, seed = model.absolute().parent.parent.name, model.absolute().parent.name
    for name in (provider.name, BASE_PROVIDER.name):
        stored = root / "predictions" / variant / seed / f"{model.stem}-{name}.npz"
        if stored.is_file():
            return Source(model, root / "data" / "test.npz", stored)
    raise ResbenchError(f"{model}: {root} holds no predictions of it; evaluate it there")


def _shared_images(sources: list[Source]) -> Path | None:
    """Return the file of images that all models were evaluated on; None where no model has stored predictions.

    Raises:
        ResbenchError: Only some have, or two files are of different images.
    """
    first, *rest = sources
    shared = load_split(first.images) if first.images else None
    for other in rest:
        split = load_split(other.images) if other.images else None
        if not _same(shared, split):
            raise ResbenchError(f"{other.model}: not of the same test images as {first.model}; measure them separately")
    return first.images


def _same(one: Split | None, other: Split | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one.images, other.images) and np.array_equal(one.labels, other.labels)


def _evaluate(
    source: Source, identity: Identity, provider: Provider, path: Path, options: Mapping[str, str]
) -> dict[str, Any]:
    """Evaluate a model here and return how well that agrees with its stored predictions, ready for JSON.

    Raises:
        ResbenchError: It does not agree, or the stored predictions are of another file.
    """
    assert source.images
    assert source.predictions
    stored = load_predictions(source.predictions)
    if stored.model_sha256 != sha256(source.model):
        raise ResbenchError(f"{source.predictions}: of another file than {source.model}; evaluate it again")
    evaluate_test_sets(source.model, [(source.images, path)], provider.name, threads=None, options=dict(options))
    same, difference = _compare(source.model, load_predictions(path), stored)
    exact = identity.precision in ("", "fp32")
    if same < LEAST_AGREEMENT or (exact and not difference <= provider.tolerance):
        raise ResbenchError(
            f"{source.model}: computes a different function here: {100 * same:.2f} % of the classes are those of "
            f"{stored.provider} where it was evaluated, and a probability differs by {difference:.2g}"
        )
    say(f"{source.model}: {100 * same:.2f} % of the classes are the stored ones, largest difference {difference:.2g}")
    return {
        **{key: getattr(stored, key) for key in ("variant", "seed", "precision", "model_sha256")},
        "provider": provider.name,
        "stored_provider": stored.provider,
        "images": len(stored.labels),
        "top1_agreement": same,
        "max_abs_diff": difference,
    }


def _compare(model: Path, made: Predictions, stored: Predictions) -> tuple[float, float]:
    if made.probabilities.shape != stored.probabilities.shape or not np.array_equal(made.labels, stored.labels):
        raise ResbenchError(f"{model}: its stored predictions are of other images than those next to it")
    return agreement(stored.probabilities, made.probabilities)
