"""What the other stages measured, read from their files and checked against each other."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from resbench.benchmark.latency import COLUMNS
from resbench.benchmark.predictions import load_predictions
from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import read_json
from resbench.runtime.providers import BASE_PROVIDER
from resbench.statistics.metrics import agreement

SETTING = ["variant", "precision", "provider", "batch_size", "threads", "host"]
WHOLE = ["batch_size", "threads", "round", "call"]
POSITIVE = [*WHOLE, "load_ms", "first_ms", "peak_rss_mb", "latency_ms"]
TEXTS = ["model", "variant", "seed", "precision", "provider"]
ALIKE = ["protocol", "epochs", "batch_size", "train_images"]
ALIKE += ["parameters", "macs", "published_accuracy", "published_loss", "published_protocol", "published_kind"]


Key = tuple[Any, ...]
Metrics = Mapping[str, Callable[[NDArray[np.float32], NDArray[np.uint8]], float]]


class Parity(NamedTuple):
    """One trained model: how it was trained, how large it is, and how well its export agrees with Keras.

    Accuracies and agreement are fractions, losses nats, train_seconds wall time, model_bytes the
    size of the fp32 .onnx; published values are those of the variant's `Reference`, None where there are none.
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
    keras_loss: float


class Answer(NamedTuple):
    """What the report needs of one model's predictions: its probabilities, 40 times as large, are not kept.

    correct: (images,), is the likeliest class the right one?  metrics: by the column they are of.
    model_bytes: size of the .onnx.  The last two compare it with the same training's fp32 file, on the same
    provider or else on `BASE_PROVIDER`; None where there is none, or where it is that itself.
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
    """parity, answers: in the order given.  timings, hosts: one for each provider, `COLUMNS` and the host's name."""

    parity: list[Parity]
    answers: list[Answer]
    timings: list[pd.DataFrame]
    hosts: list[dict[str, Any]]
    summary: dict[str, Any]


def read_inputs(
    summary: Path, parity: list[Path], predictions: list[Path], timings: list[tuple[Path, Path]], metrics: Metrics
) -> Inputs:
    """Read everything and make sure that it belongs together.

    Args:
        metrics: what to compute of each model's probabilities and labels.

    Raises:
        ResbenchError: a file is unreadable; two are of the same model; a model has predictions or
            timings but no parity, or parity but no predictions; test sets differ; or one variant
            was trained in two ways.
    """
    exports = [read_parity(path) for path in parity]
    _refuse_twins([(p.variant, p.seed) for p in exports], parity)
    answers = read_answers(predictions, metrics)
    tables = [read_timings(samples, host) for samples, host in timings]
    for (samples, _), (table, _) in zip(timings, tables, strict=True):
        _require_parity(samples, set(table["variant"]), {p.variant for p in exports})
    keys = [(key, samples) for (samples, _), (table, _) in zip(timings, tables, strict=True) for key in _keys(table)]
    _refuse_twins([key for key, _ in keys], [samples for _, samples in keys])
    _check_files([samples for samples, _ in timings], [host for _, host in tables], answers)
    _check_training(exports, parity)
    _check_test_sets(exports, parity, answers, predictions)
    found = read_summary(summary)
    return Inputs(exports, answers, [table for table, _ in tables], [host for _, host in tables], found)


def read_summary(path: Path) -> dict[str, Any]:
    """Raises ResbenchError where it is not a JSON object."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise ResbenchError(f"{path}: not what `resbench convert --summary` writes; convert the archive again")
    return content


def settings(inputs: Inputs) -> Iterator[tuple[Key, pd.DataFrame]]:
    """What was timed: the values of `SETTING`, and the calls."""
    for table in inputs.timings:
        yield from settings_of(table)


def settings_of(table: pd.DataFrame) -> Iterator[tuple[Key, pd.DataFrame]]:
    """Yield the values of `SETTING` and the calls of each setting in a table of timings."""
    for _, calls in table.groupby(SETTING, observed=True):
        yield tuple(calls[SETTING].iloc[0]), calls


def answered(inputs: Inputs) -> dict[Key, dict[str, Answer]]:
    """The answers of each (variant, precision, provider), by seed."""
    found: dict[Key, dict[str, Answer]] = {}
    for answer in inputs.answers:
        found.setdefault((answer.variant, answer.precision, answer.provider), {})[answer.seed] = answer
    return found


def read_answers(paths: list[Path], metrics: Metrics) -> list[Answer]:
    """What `resbench evaluate` wrote, one file at a time.

    Raises:
        ResbenchError: a file is unreadable, of the same model as another, or of other test images.
    """
    answers: list[Answer] = []
    owners: dict[Key, Path] = {}
    labels: NDArray[np.uint8] | None = None
    for path in paths:
        read = load_predictions(path)
        labels = read.labels if labels is None else labels
        if not np.array_equal(read.labels, labels):
            raise ResbenchError(f"{path}: of other test images than {paths[0]}; evaluate both on the same --data")
        key = (read.variant, read.seed, read.precision, read.provider)
        if key in owners:
            raise _twins(path, owners[key], key)
        owners[key] = path
        correct = read.probabilities.argmax(axis=1) == labels
        values = {name: metric(read.probabilities, labels) for name, metric in metrics.items()}
        answers.append(Answer(*key, correct, values, read.model_bytes, None, None, read.model_sha256))
    return [_beside_fp32(answer, owners) for answer in answers]


def read_parity(path: Path) -> Parity:
    """Raises ResbenchError where a key is missing or its value is of the wrong kind."""
    content = read_json(path)
    try:
        values = {name: _convert(content, name, kind) for name, kind in Parity.__annotations__.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise ResbenchError(
            f"{path}: not what `resbench export --parity` writes ({one_line(error)}); export again"
        ) from error
    return Parity(**values)


def read_timings(samples: Path, host: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The calls that `resbench latency` timed, `COLUMNS` and `host`, and the host's description.

    Raises:
        ResbenchError: a column is missing, a number is missing or not positive, or there is no row.
    """
    remedy = "not what `resbench latency` writes ({}); time the models again"
    texts = dict.fromkeys(TEXTS, "category")  # of millions of rows
    try:
        table = pd.read_csv(samples, dtype=texts, keep_default_na=False, na_values={name: [""] for name in POSITIVE})
    except FileNotFoundError as error:
        raise ResbenchError(f"{samples}: no such file; make it with `resbench latency`") from error
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{samples}: {remedy.format(one_line(error))}") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing or table.empty:
        raise ResbenchError(f"{samples}: {remedy.format('no column ' + ', '.join(missing) if missing else 'no row')}")
    for name in POSITIVE:
        right_type = pd.api.types.is_integer_dtype if name in WHOLE else pd.api.types.is_numeric_dtype
        if not right_type(table[name]) or not (np.isfinite(table[name]) & (table[name] > 0)).all():
            raise ResbenchError(f"{samples}: {remedy.format(f'{name} is not a positive number everywhere')}")
    description = read_json(host)
    if not isinstance(description, dict) or not isinstance(description.get("name"), str):
        raise ResbenchError(f"{host}: {remedy.format('no name')}")
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


def _beside_fp32(answer: Answer, owners: dict[Key, Path]) -> Answer:
    name = (answer.variant, answer.seed)
    own_key = (*name, answer.precision, answer.provider)
    candidates = [(*name, "fp32", provider) for provider in (answer.provider, BASE_PROVIDER.name)]
    reference = next((owners[key] for key in candidates if key in owners and key != own_key), None)
    if reference is None or own_key == candidates[-1]:
        return answer
    own = load_predictions(owners[own_key]).probabilities
    same, difference = agreement(own, load_predictions(reference).probabilities)
    return answer._replace(top1_agreement=same, max_abs_diff=difference)


def _keys(table: pd.DataFrame) -> list[Key]:
    return list(table[SETTING].drop_duplicates().itertuples(index=False, name=None))


def _refuse_twins(keys: list[Key], paths: list[Path]) -> None:
    owners: dict[Key, Path] = {}
    for key, path in zip(keys, paths, strict=True):
        if key in owners:
            raise _twins(path, owners[key], key)
        owners[key] = path


def _twins(path: Path, other: Path, key: Key) -> ResbenchError:
    return ResbenchError(f"{path}: of the same model as {other} ({', '.join(map(str, key))}); name one")


def _require_parity(path: Path, found: set[Any], known: set[Any]) -> None:
    for stranger in sorted(found - known):
        name = stranger if isinstance(stranger, str) else " seed ".join(stranger)
        raise ResbenchError(f"{path}: of {name}, for which no --parity is given; export it, or leave this file out")


def _check_files(paths: list[Path], hosts: list[dict[str, Any]], answers: list[Answer]) -> None:
    """Accuracies and latencies belong together only where they are of the same files, wherever these were timed."""
    evaluated = {(one.variant, one.seed, one.precision): one.model_sha256 for one in answers}
    for path, host in zip(paths, hosts, strict=True):
        models = host.get("models")
        for model in models if isinstance(models, list) and all(isinstance(one, dict) for one in models) else []:
            name = str(model.get("variant")), str(model.get("seed")), str(model.get("precision"))
            if evaluated.get(name, "") not in ("", model.get("sha256")):
                raise ResbenchError(
                    f"{path}: timed another file of {' '.join(name)} than was evaluated; time that one, or evaluate it"
                )


def _check_training(exports: list[Parity], paths: list[Path]) -> None:
    """Means over seeds make sense only for models that differ in nothing but the seed."""
    first: dict[str, Parity] = {}
    for export, path in zip(exports, paths, strict=True):
        other = first.setdefault(export.variant, export)
        for name in ALIKE:
            if getattr(export, name) != getattr(other, name):
                raise ResbenchError(
                    f"{path}: {name} is {getattr(export, name)}, but {getattr(other, name)} for seed {other.seed} of "
                    f"{export.variant}; train all seeds alike"
                )


def _check_test_sets(exports: list[Parity], parity: list[Path], answers: list[Answer], paths: list[Path]) -> None:
    known = {(p.variant, p.seed) for p in exports}
    for answer, path in zip(answers, paths, strict=True):
        _require_parity(path, {(answer.variant, answer.seed)}, known)
    evaluated = {(a.variant, a.seed) for a in answers}
    for export, path in zip(exports, parity, strict=True):
        if (export.variant, export.seed) not in evaluated:
            raise ResbenchError(f"{path}: of {export.variant} seed {export.seed}, for which no --predictions are given")
        if export.test_images != len(answers[0].correct):
            raise ResbenchError(
                f"{path}: of {export.test_images} test images, but {paths[0]} of {len(answers[0].correct)}; "
                "export and evaluate on the same --data"
            )
