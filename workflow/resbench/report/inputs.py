"""Results of the other stages, read from their files and checked for consistency."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from resbench.benchmark.columns import SAMPLE_COLUMNS
from resbench.benchmark.predictions import load_predictions
from resbench.common.errors import ResbenchError, one_line, printable
from resbench.common.files import read_json, read_object
from resbench.runtime.providers import BASE_PROVIDER
from resbench.statistics.metrics import agreement

TIMED_KEY = ["variant", "precision", "provider", "batch_size", "threads", "host"]
INTEGERS = ["batch_size", "threads", "round", "call"]
POSITIVE = [*INTEGERS, "load_ms", "first_ms", "peak_rss_mb", "latency_ms"]
TEXTS = ["model", "variant", "seed", "precision", "provider"]
SHARED = ["protocol", "epochs", "batch_size", "train_images"]
SHARED += ["parameters", "macs", "published_accuracy", "published_loss", "published_protocol", "published_kind"]


Key = tuple[Any, ...]
Metrics = Mapping[str, Callable[[NDArray[np.float32], NDArray[np.uint8]], float]]


class Parity(NamedTuple):
    """One trained model: how it was trained, its size, and how well its export agrees with Keras.

    Accuracies and agreement are fractions, losses nats, train_seconds wall time, model_bytes the size of the fp32
    .onnx; published values are those of the variant's `Reference`, None where there are none.
    """

    variant: str
    seed: str
    protocol: str
    epochs: int
    batch_size: int
    train_images: int
    train_seconds: float
    parameters: int
    macs: int
    model_bytes: int
    published_accuracy: float | None
    published_loss: float | None
    published_protocol: str | None
    published_kind: str | None
    test_images: int
    top1_agreement: float
    max_abs_diff: float
    keras_accuracy: float


class Evaluation(NamedTuple):
    """What the report needs of one model's predictions, which themselves are 40 times as large and are not kept.

    Attributes:
        variant, seed, precision, provider: Which model this is, and where it ran.
        correct: (images,), whether the most probable class is right.
        metrics: Values by column.
        model_bytes: Size of the .onnx file.
        top1_agreement, max_abs_diff: Comparison with the same training's fp32 file, on the same provider or else on
            `BASE_PROVIDER`; None where there is none, or where it is that file itself.
        model_sha256: SHA-256 of the .onnx file.
    """

    variant: str
    seed: str
    precision: str
    provider: str
    correct: NDArray[np.bool_]
    metrics: dict[str, float]
    model_bytes: int
    top1_agreement: float | None
    max_abs_diff: float | None
    model_sha256: str = ""


class Inputs(NamedTuple):
    """Results of the other stages.

    Attributes:
        parity, evaluations: In the order given.
        timings, hosts: One for each measurement: `SAMPLE_COLUMNS` and the host's name; the host's description.
        summary: What `convert --summary` wrote.
    """

    parity: list[Parity]
    evaluations: list[Evaluation]
    timings: list[pd.DataFrame]
    hosts: list[dict[str, Any]]
    summary: dict[str, Any]


def read_inputs(
    summary: Path, parity: list[Path], predictions: list[Path], timings: list[tuple[Path, Path]], metrics: Metrics
) -> Inputs:
    """Read everything and make sure that it belongs together.

    Args:
        summary: What `convert --summary` wrote.
        parity: What `export --parity` wrote, one for each model.
        predictions: What `evaluate` wrote, one for each model, precision and provider.
        timings: What `latency` wrote, (samples, host) for each provider.
        metrics: What to compute from each model's probabilities and labels.

    Returns:
        The results.

    Raises:
        ResbenchError: A file is unreadable; two are of the same model; a model has predictions or timings but no
            parity, or parity but no predictions; test sets differ; or one variant was trained in two ways.
    """
    exports = [read_parity(path) for path in parity]
    _refuse_duplicates([(p.variant, p.seed) for p in exports], parity)
    evaluations = read_evaluations(predictions, metrics)
    tables = [read_timings(samples, host) for samples, host in timings]
    for (samples, _), (table, _) in zip(timings, tables, strict=True):
        _require_parity(samples, set(table["variant"]), {p.variant for p in exports})
    keys = [(key, samples) for (samples, _), (table, _) in zip(timings, tables, strict=True) for key in _keys(table)]
    _refuse_duplicates([key for key, _ in keys], [samples for _, samples in keys])
    _check_files([samples for samples, _ in timings], [host for _, host in tables], evaluations)
    _check_training(exports, parity)
    _check_test_sets(exports, parity, evaluations, predictions)
    timed, hosts = [table for table, _ in tables], [host for _, host in tables]
    return Inputs(exports, evaluations, timed, hosts, read_summary(summary))


def read_summary(path: Path) -> dict[str, Any]:
    """Read the summary of the data.

    Args:
        path: What `convert --summary` wrote.

    Returns:
        Its content.

    Raises:
        ResbenchError: It is not a JSON object.
    """
    return read_object(path, "convert --summary")


def timed_calls(table: pd.DataFrame) -> Iterator[tuple[Key, pd.DataFrame]]:
    """Yield the timed calls of each model, provider, setting and host.

    Args:
        table: What `read_timings` returned.

    Yields:
        The values of `TIMED_KEY`, and the calls.
    """
    for _, calls in table.groupby(TIMED_KEY, observed=True):
        yield tuple(calls[TIMED_KEY].iloc[0]), calls


def evaluations_by_model(inputs: Inputs) -> dict[Key, dict[str, Evaluation]]:
    """Return the evaluations of each model.

    Args:
        inputs: The results.

    Returns:
        Evaluations by seed, for each (variant, precision, provider).
    """
    by_model: dict[Key, dict[str, Evaluation]] = {}
    for one in inputs.evaluations:
        by_model.setdefault((one.variant, one.precision, one.provider), {})[one.seed] = one
    return by_model


def read_evaluations(paths: list[Path], metrics: Metrics) -> list[Evaluation]:
    """Read what `resbench evaluate` wrote, one file at a time.

    Args:
        paths: The files.
        metrics: What to compute from each model's probabilities and labels.

    Returns:
        One evaluation for each file.

    Raises:
        ResbenchError: A file is unreadable, of the same model as another, or of other test images.
    """
    evaluations: list[Evaluation] = []
    owners: dict[Key, Path] = {}
    labels: NDArray[np.uint8] | None = None
    for path in paths:
        read = load_predictions(path)
        labels = read.labels if labels is None else labels
        if not np.array_equal(read.labels, labels):
            raise ResbenchError(f"{path}: of other test images than {paths[0]}; evaluate both on the same --data")
        key = (read.variant, read.seed, read.precision, read.provider)
        if key in owners:
            raise _duplicate(path, owners[key], key)
        owners[key] = path
        values = {name: metric(read.probabilities, labels) for name, metric in metrics.items()}
        evaluations.append(Evaluation(*key, read.correct, values, read.model_bytes, None, None, read.model_sha256))
    return [_compared_with_fp32(evaluation, owners) for evaluation in evaluations]


def read_parity(path: Path) -> Parity:
    """Read what `resbench export --parity` wrote.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        ResbenchError: A key is missing or its value is of the wrong type.
    """
    content = read_json(path)
    try:
        values = {name: _convert(content, name, kind) for name, kind in Parity.__annotations__.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise ResbenchError(
            f"{path}: not what `resbench export --parity` writes ({one_line(error)}); export again"
        ) from error
    return Parity(**values)


def read_timings(samples: Path, host: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read what `resbench latency` wrote.

    Args:
        samples: The timed calls, .csv.
        host: The description of the host, .json.

    Returns:
        The calls, `SAMPLE_COLUMNS` and `host`; and the host's description.

    Raises:
        ResbenchError: A column is missing, a number is missing or not positive, there is no row, or the host was
            described for another provider.
    """
    remedy = "not what `resbench latency` writes ({}); time the models again"
    texts = dict.fromkeys(TEXTS, "category")  # of millions of rows
    try:
        table = pd.read_csv(samples, dtype=texts, keep_default_na=False, na_values={name: [""] for name in POSITIVE})
    except FileNotFoundError as error:
        raise ResbenchError(f"{samples}: no such file; make it with `resbench latency`") from error
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{samples}: {remedy.format(one_line(error))}") from error
    missing = [name for name in SAMPLE_COLUMNS if name not in table.columns]
    if missing or table.empty:
        raise ResbenchError(f"{samples}: {remedy.format('no column ' + ', '.join(missing) if missing else 'no row')}")
    for name in POSITIVE:
        right_type = pd.api.types.is_integer_dtype if name in INTEGERS else pd.api.types.is_numeric_dtype
        if not right_type(table[name]) or not (np.isfinite(table[name]) & (table[name] > 0)).all():
            raise ResbenchError(f"{samples}: {remedy.format(f'a value of {name} is not a positive number')}")
    description = read_json(host)
    if not isinstance(description, dict) or not isinstance(description.get("name"), str):
        raise ResbenchError(f"{host}: {remedy.format('no name')}")
    provider, timed = description.get("provider"), sorted(table["provider"].unique())
    if isinstance(provider, str) and timed != [provider]:
        raise ResbenchError(
            f"{host}: of provider {printable(provider)}, but {samples} is of {printable(', '.join(timed))}; "
            "give --host in the order of --samples, or time the models again"
        )
    environment = str(description.get("environment", description["name"]))
    return table.assign(host=pd.Categorical([environment] * len(table))), description


def _convert(content: Any, name: str, kind: Any) -> Any:
    value = content[name]
    if kind in (str, str | None) and isinstance(value, str | int):
        return str(value)
    if value is None and kind in (float | None, str | None):
        return None
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise TypeError(f"{name} is {value!r:.40}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is {value}")
    return value


def _compared_with_fp32(evaluation: Evaluation, owners: dict[Key, Path]) -> Evaluation:
    name = (evaluation.variant, evaluation.seed)
    own_key = (*name, evaluation.precision, evaluation.provider)
    candidates = [(*name, "fp32", provider) for provider in (evaluation.provider, BASE_PROVIDER.name)]
    reference = next((owners[key] for key in candidates if key in owners and key != own_key), None)
    if reference is None:
        return evaluation
    own = load_predictions(owners[own_key]).probabilities
    same, difference = agreement(own, load_predictions(reference).probabilities)
    return evaluation._replace(top1_agreement=same, max_abs_diff=difference)


def _keys(table: pd.DataFrame) -> list[Key]:
    return list(table[TIMED_KEY].drop_duplicates().itertuples(index=False, name=None))


def _refuse_duplicates(keys: list[Key], paths: list[Path]) -> None:
    owners: dict[Key, Path] = {}
    for key, path in zip(keys, paths, strict=True):
        if key in owners:
            raise _duplicate(path, owners[key], key)
        owners[key] = path


def _duplicate(path: Path, other: Path, key: Key) -> ResbenchError:
    return ResbenchError(f"{path}: of the same model as {other} ({', '.join(map(str, key))}); give only one of them")


def _require_parity(path: Path, given: set[Any], known: set[Any]) -> None:
    for unknown in sorted(given - known):
        name = unknown if isinstance(unknown, str) else " seed ".join(unknown)
        raise ResbenchError(f"{path}: of {name}, for which no --parity is given; export it, or leave this file out")


def _check_files(paths: list[Path], hosts: list[dict[str, Any]], evaluations: list[Evaluation]) -> None:
    """Refuse latencies of other model files than those that were evaluated, on whichever machine."""
    evaluated = {(one.variant, one.seed, one.precision): one.model_sha256 for one in evaluations}
    for path, host in zip(paths, hosts, strict=True):
        models = host.get("models")
        for model in models if isinstance(models, list) and all(isinstance(one, dict) for one in models) else []:
            name = str(model.get("variant")), str(model.get("seed")), str(model.get("precision"))
            if evaluated.get(name, "") not in ("", model.get("sha256")):
                raise ResbenchError(
                    f"{path}: timed another file of {' '.join(name)} than was evaluated; time that one, or evaluate it"
                )


def _check_training(exports: list[Parity], paths: list[Path]) -> None:
    """Refuse models of one variant that differ in more than the seed: their mean would be meaningless."""
    first: dict[str, Parity] = {}
    for export, path in zip(exports, paths, strict=True):
        other = first.setdefault(export.variant, export)
        for name in SHARED:
            if getattr(export, name) != getattr(other, name):
                raise ResbenchError(
                    f"{path}: {name} is {getattr(export, name)}, but {getattr(other, name)} for seed {other.seed} of "
                    f"{export.variant}; train all seeds in the same way"
                )


def _check_test_sets(
    exports: list[Parity], parity: list[Path], evaluations: list[Evaluation], paths: list[Path]
) -> None:
    known = {(p.variant, p.seed) for p in exports}
    for evaluation, path in zip(evaluations, paths, strict=True):
        _require_parity(path, {(evaluation.variant, evaluation.seed)}, known)
    evaluated = {(a.variant, a.seed) for a in evaluations}
    for export, path in zip(exports, parity, strict=True):
        if (export.variant, export.seed) not in evaluated:
            raise ResbenchError(
                f"{path}: of {export.variant} seed {export.seed}, for which no --predictions are given; "
                "evaluate it, or leave this file out"
            )
        if export.test_images != len(evaluations[0].correct):
            raise ResbenchError(
                f"{path}: of {export.test_images} test images, but {paths[0]} of {len(evaluations[0].correct)}; "
                "export and evaluate on the same --data"
            )
