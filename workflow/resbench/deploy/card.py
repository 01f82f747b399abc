"""The model card of a bundle (Mitchell et al. 2019, "Model cards for model reporting"), as Markdown."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from resbench.benchmark.predictions import Predictions
from resbench.common.files import sha256
from resbench.common.markdown import escaped, table
from resbench.data.datasets import titled
from resbench.deploy.deployment import Measured, Setting
from resbench.runtime.sessions import Identity
from resbench.statistics.intervals import Hits, paired_interval, wilson_interval
from resbench.statistics.metrics import accuracy_and_loss, agreement, keeps_accuracy


class Candidate(NamedTuple):
    """A model that may be deployed: its file, the metadata in it, and its answers to the test images."""

    model: Path
    identity: Identity
    facts: dict[str, str]
    answers: Predictions


def render_card(
    deployed: Candidate,
    fp32: Candidate,
    here: list[Measured],
    times: list[Measured],
    setting: Setting,
    wanted: str,
) -> str:
    """The card of `deployed`.

    Args:
        fp32: the same network before it changed its precision.
        here: every precision at the setting that was compared.
        times: the deployed precision at every setting.
        wanted: the precision that was asked for, or `fastest`.
    """
    identity = deployed.identity
    sections = [
        f"# {identity.variant}, {identity.precision}",
        f"Classifies an RGB image of 32 × 32 pixels as one of {len(identity.classes)} classes: "
        f"{', '.join(map(escaped, identity.classes))}.",
        _what(deployed, times[0].dataset),
        "## Why this file",
        _why(identity, here, setting, wanted),
        "## Accuracy",
        _accuracy(deployed, fp32, times[0]),
        "## Latency",
        f"ONNX Runtime, provider `{setting.provider}`, on {escaped(times[0].host)}. A call is one batch.",
        _latency(times),
        "## How to call it",
        CALL,
        "## Limits",
        _limits(identity.precision),
        "## Licence",
        _licence(times[0].dataset),
    ]
    return "\n\n".join(sections) + "\n"


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


def _what(deployed: Candidate, dataset: str) -> str:
    facts = {name: _fact(deployed.facts.get(name, "")) for name in ("parameters", "macs", "train_images", "epochs")}
    protocol = escaped(deployed.facts.get("protocol", "unknown"))
    rows = [
        ("network", f"{deployed.identity.variant}: {facts['parameters']} parameters, {facts['macs']} multiply-adds"),
        ("training data", f"{escaped(dataset)}: {facts['train_images']} images"),
        ("training", f"{facts['epochs']} epochs, protocol {protocol}, seed {deployed.identity.seed}"),
        ("file", f"`1/model.onnx`, {deployed.model.stat().st_size / 1e6:.2f} MB, SHA-256 `{sha256(deployed.model)}`"),
        ("made by", f"resbench {escaped(deployed.facts.get('resbench', ''))}, commit {_commit(deployed.facts)}"),
    ]
    return "\n".join(f"- {name}: {words}" for name, words in rows)


def _why(identity: Identity, here: list[Measured], setting: Setting, wanted: str) -> str:
    calls = f"{setting.batch_size} image{'s' if setting.batch_size > 1 else ''} a call, {setting.threads} thread"
    calls += "s" if setting.threads > 1 else ""
    reference = next(row.accuracy_mean for row in here if row.precision == "fp32")
    rows = [
        (
            row.precision,
            f"{row.accuracy_mean:.2%}",
            "yes" if keeps_accuracy(row.accuracy_mean, reference) else "no",
            _ms(row.latency_min_ms),
        )
        for row in here
    ]
    rule = (
        "the precision with the shortest call among those that keep 99 % of fp32's accuracy"
        if wanted == "fastest"
        else f"{wanted}, as the configuration asks"
    )
    return (
        f"Precision: {rule}. Compared on `{setting.provider}`, {calls}; accuracy is the mean over all seeds.\n\n"
        + table(["precision", "accuracy", "keeps 99 %", "shortest call (ms)"], rows)
        + f"\n\nSeed: {identity.seed}, the first in the configuration's list. It was not chosen by its accuracy on the "
        "test images, which would have made that figure too good."
    )


def _accuracy(deployed: Candidate, fp32: Candidate, row: Measured) -> str:
    answers, correct = deployed.answers, _correct(deployed)
    accuracy, loss = accuracy_and_loss(answers.probabilities, answers.labels)
    rows = [
        ("this file", _percent(accuracy, *wilson_interval(correct))),
        (
            f"mean over {row.seeds} seed{'s' if row.seeds > 1 else ''}",
            _percent(row.accuracy_mean, row.accuracy_low, row.accuracy_high),
        ),
    ]
    text = ""
    if deployed.identity.precision != "fp32":
        original = _correct(fp32)
        change = float(correct.mean() - original.mean())
        rows.append(("this file less its fp32 original", _percent(change, *paired_interval(correct, original))))
        same, _ = agreement(answers.probabilities, fp32.answers.probabilities)
        text = f" It gives {same:.2%} of the images the same class as its fp32 original."
    return (
        f"On {len(answers.labels):,} test images, which neither training nor calibration has seen.\n\n"
        + table(["accuracy", "95 % interval in brackets"], rows)
        + f"\n\nLoss of this file: {loss:.4f} nats.{text}"
    )


def _correct(candidate: Candidate) -> Hits:
    answers = candidate.answers
    return answers.probabilities.argmax(axis=1) == answers.labels


def _percent(value: float, low: float, high: float) -> str:
    return f"{value:.2%} ({low:.2%} to {high:.2%})"


def _latency(times: list[Measured]) -> str:
    header = ["batch", "threads", "p50 (ms)", "p90 (ms)", "shortest (ms)", "images/s"]
    rows = [
        (
            *(str(row.batch_size), str(row.threads), _ms(row.latency_p50_ms), _ms(row.latency_p90_ms)),
            *(_ms(row.latency_min_ms), "–" if row.throughput_ips is None else f"{row.throughput_ips:,.0f}"),
        )
        for row in times
    ]
    return table(header, rows)


def _limits(precision: str) -> str:
    lines = [
        "Whatever it is shown, it answers with one of its classes: it has none for anything else.",
        "A larger picture has to be shrunk to 32 × 32 pixels first; `resbench predict` does.",
        "Its probabilities are not calibrated: 90 % does not mean right nine times in ten.",
        "Latency holds for the host above, with nothing else running on it.",
    ]
    if precision == "int8":
        lines.append("Weights have 7 of 8 bits, so that processors with and without VNNI give the same answers.")
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


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
