"""The model card of a bundle (Mitchell et al. 2019, "Model cards for model reporting"), as Markdown."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from resbench.benchmark.predictions import Predictions
from resbench.common.files import sha256
from resbench.common.markdown import escaped, table
from resbench.data.datasets import titled
from resbench.deploy.deployment import Decision, Measured, TestSetResult
from resbench.report.format import between, counted, percent, points, significant
from resbench.report.prose import (
    UNPAIRED,
    describe_corruptions,
    describe_precision,
    describe_recommendation,
    provider_title,
    setting_text,
)
from resbench.runtime.sessions import Identity
from resbench.statistics.intervals import LEVEL, paired_interval, wilson_interval
from resbench.statistics.metrics import accuracy_and_loss, agreement


class EvaluatedModel(NamedTuple):
    """A model that may be deployed: its file, its metadata and its predictions of the test images."""

    model: Path
    identity: Identity
    facts: dict[str, str]
    predictions: Predictions


def render_card(
    deployed: EvaluatedModel,
    fp32: EvaluatedModel | None,
    rows: list[Measured],
    decision: Decision,
    on_test_sets: Sequence[TestSetResult] = (),
) -> str:
    """Return the model card of a bundle.

    Args:
        deployed: The model in the bundle.
        fp32: The same network in fp32; None where it is not among the files.
        rows: Rows of report.csv: every precision of this network on the provider that the bundle runs on.
        decision: The recommendation of this precision.
        on_test_sets: Rows of robustness.csv: this network and precision on every test set.

    Returns:
        Markdown.
    """
    identity, place = deployed.identity, decision.place
    times = [row for row in rows if row.precision == identity.precision]
    here = [row for row in rows if row.setting == place.setting]
    row = next(row for row in here if row.precision == identity.precision)
    sections = [
        hub_metadata(deployed, row),
        f"# {identity.variant}, {identity.precision}",
        f"Classifies an RGB image of 32 × 32 pixels as one of {len(identity.classes)} classes: "
        f"{', '.join(map(escaped, identity.classes))}.",
        _what(deployed, row.dataset),
        "## Why this file",
        _why(identity, here, decision),
        "## Accuracy",
        _accuracy(deployed, fp32, row),
        *(["## On other images", _robustness(on_test_sets)] if on_test_sets else []),
        "## Latency",
        f"Provider {provider_title(place.provider)}, on {escaped(row.host)}. A call is one batch.",
        _latency(times),
        "## How to call it",
        CALL,
        "## Limits",
        _limits(identity.precision),
        "## Licence",
        _licence(row.dataset),
    ]
    return "\n\n".join(sections) + "\n"


def hub_metadata(deployed: EvaluatedModel, row: Measured) -> str:
    """Return the metadata that the Hugging Face Hub reads at the head of a card, as YAML between its marks.

    Its model index holds two results, each with its 95 % interval: the accuracy of this file, and the mean over seeds.

    Args:
        deployed: The model in the bundle.
        row: Its row of report.csv.

    Returns:
        YAML between its delimiters.
    """
    identity, record = deployed.identity, titled(row.dataset)
    correct = deployed.predictions.correct
    mean = (row.accuracy_mean, row.accuracy_low, row.accuracy_high)
    figures = {"test accuracy of this file": (float(correct.mean()), *wilson_interval(correct))}
    figures[f"test accuracy, mean of {row.seeds} {'seed' if row.seeds == 1 else 'seeds'}"] = mean
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"type": record.hub or record.name, "name": row.dataset, "split": "test"},
        "metrics": [
            {
                "type": "accuracy",
                "name": name,
                "value": round(value, 6),
                "args": {"ci_level": 1 - LEVEL, "ci_low": round(low, 6), "ci_high": round(high, 6)},
            }
            for name, (value, low, high) in figures.items()
        ],
    }
    content = {
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "tags": ["onnx", "onnxruntime", "triton", identity.precision],
        "datasets": [record.hub] if record.hub else [],
        "metrics": ["accuracy"],
        "model-index": [{"name": f"{identity.variant}-{identity.precision}", "results": [result]}],
    }
    filled = {key: value for key, value in content.items() if value}
    return f"---\n{yaml.safe_dump(filled, sort_keys=False, allow_unicode=True)}---"


CALL = """\
Input `image`: uint8 [N, 32, 32, 3], RGB, 0 to 255 as they are in the picture; scaling is inside the graph.
Output `probabilities`: float32 [N, classes], in the order of `labels.txt`. N is any number.

```python
import numpy as np, onnxruntime

session = onnxruntime.InferenceSession("1/model.onnx")
images = np.zeros((1, 32, 32, 3), np.uint8)
(probabilities,) = session.run(["probabilities"], {"image": images})
print(open("labels.txt").read().splitlines()[probabilities[0].argmax()])
```

Triton serves the folder that this one lies in: `tritonserver --model-repository …/model_repository`."""


def _what(deployed: EvaluatedModel, dataset: str) -> str:
    facts = {name: _fact(deployed.facts.get(name, "")) for name in ("parameters", "macs", "train_images", "epochs")}
    protocol = escaped(deployed.facts.get("protocol", "unknown"))
    rows = [
        ("network", f"{deployed.identity.variant}: {facts['parameters']} parameters, {facts['macs']} multiply-adds"),
        ("training data", f"{escaped(dataset)}: {facts['train_images']} images"),
        ("training", f"{facts['epochs']} epochs, protocol {protocol}, seed {deployed.identity.seed}"),
        ("file", f"`1/model.onnx`, {deployed.model.stat().st_size / 1e6:.2f} MB, SHA-256 `{sha256(deployed.model)}`"),
        ("made by", f"resbench {escaped(deployed.facts.get('resbench', ''))}, commit {_commit(deployed.facts)}"),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in rows)


def _why(identity: Identity, here: list[Measured], decision: Decision) -> str:
    place, best = decision.place, decision.place.choice
    if best == decision.precision.model:
        verdict = "This is the model that the report recommends."
        reasons = describe_recommendation(place)
    else:
        verdict = f"The report recommends {escaped(best.name)}; of this network, it recommends this precision."
        reasons = [describe_precision(decision.precision)]
    rows = [
        (
            row.precision,
            percent(row.accuracy_mean),
            _figure(row.latency_min_ms),
            _figure(row.latency_p50_ms),
        )
        for row in here
    ]
    return (
        f"{verdict} Decided for {provider_title(place.provider)}, {setting_text(place.setting)}.\n\n"
        + "\n".join(f"- {escaped(reason)}" for reason in reasons if reason)
        + "\n\n"
        + table(["Precision", "Accuracy, mean over seeds (%)", "Shortest call (ms)", "p50 (ms)"], rows)
        + f"\n\nSeed: {identity.seed}, the first in the configuration's list. It was not chosen by its accuracy on the "
        "test images, which would have made that figure too good."
    )


def _accuracy(deployed: EvaluatedModel, fp32: EvaluatedModel | None, row: Measured) -> str:
    predictions, correct = deployed.predictions, deployed.predictions.correct
    accuracy, loss = accuracy_and_loss(predictions.probabilities, predictions.labels)
    rows = [
        ("this file", percent(accuracy), _interval(*wilson_interval(correct))),
        (
            f"mean over {counted(row.seeds, 'seed')}",
            percent(row.accuracy_mean),
            _interval(row.accuracy_low, row.accuracy_high),
        ),
    ]
    text = ""
    if fp32 is not None and deployed.identity.precision != "fp32":
        original = fp32.predictions.correct
        change = float(correct.mean() - original.mean())
        low, high = paired_interval(correct, original)
        rows.append(
            ("this file less its fp32 original (points)", points(change), between(points(low), points(high), "to"))
        )
        same, _ = agreement(predictions.probabilities, fp32.predictions.probabilities)
        text = f" It gives {percent(same)} % of the images the same class as its fp32 original."
    return (
        f"On {len(predictions.labels):,} test images, which were used neither for training nor for calibration.\n\n"
        + table(["", "Accuracy (%)", "95 % CI"], rows)
        + f"\n\nLoss of this file: {loss:.4f} nats.{text}"
    )


def _robustness(results: Sequence[TestSetResult]) -> str:
    header = ["Test set", "Images", "Accuracy (%)", "95 % CI", "Change (points)", "95 % CI"]
    rows = [
        (
            *(escaped(one.test_set), f"{one.images:,}", percent(one.accuracy), _interval(*one.interval)),
            "–" if one.change is None else points(one.change),
            _change_interval(one),
        )
        for one in results
    ]
    return (
        "Mean over seeds of this network in this precision, without any training on these images; changes are from the "
        f"test set.\n\n{table(header, rows)}\n\n{describe_corruptions()} {UNPAIRED}"
    )


def _change_interval(result: TestSetResult) -> str:
    if result.change_interval is None:
        return "–"
    low, high = map(points, result.change_interval)
    return between(low, high, "to")


def _interval(low: float, high: float) -> str:
    return between(percent(low), percent(high), "to")


def _latency(times: list[Measured]) -> str:
    header = ["Batch", "Threads", "p50 (ms)", "p90 (ms)", "Shortest (ms)", "Images/s"]
    rows = [
        (
            *(str(row.batch_size), str(row.threads), _figure(row.latency_p50_ms), _figure(row.latency_p90_ms)),
            *(_figure(row.latency_min_ms), _figure(row.throughput_ips)),
        )
        for row in times
    ]
    return table(header, rows)


def _limits(precision: str) -> str:
    lines = [
        "It assigns one of its classes to every image, also to an image of something else.",
        "A larger picture has to be shrunk to 32 × 32 pixels first; `resbench predict` does.",
        "Its probabilities are not calibrated: of images with a probability of 90 %, not nine in ten need be right.",
        "Latencies are those of the host above.",
    ]
    if precision == "int8":
        lines.append("Weights have 7 of 8 bits, so that processors with and without VNNI give the same outputs.")
    return "\n".join(f"- {line}" for line in lines)


def _licence(dataset: str) -> str:
    return f"The code that made this file is under the MIT licence. {titled(dataset).licence}"


def _commit(facts: dict[str, str]) -> str:
    try:
        git = json.loads(facts.get("git", "null"))
        return "unknown" if git is None else f"`{escaped(git['commit'])}`{', with changes' if git['dirty'] else ''}"
    except (ValueError, TypeError, KeyError, RecursionError):
        return "unknown"


def _fact(text: str) -> str:
    return f"{int(text):,}" if re.fullmatch(r"\d{1,15}", text) else "unknown"


def _figure(value: float | None) -> str:
    return "–" if value is None else significant(value)
