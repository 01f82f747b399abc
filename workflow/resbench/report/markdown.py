"""The report as a page of Markdown."""

from typing import Any

import pandas as pd

from resbench.common.markdown import escaped, table
from resbench.data.datasets import titled
from resbench.report.caveats import caveats
from resbench.report.comparisons import COMPARISON_COLUMNS, Kind
from resbench.report.format import p_value, span
from resbench.report.inputs import Inputs
from resbench.report.prose import (
    PRIORITY_WORDS,
    describe_alternative,
    describe_comparison,
    describe_precision,
    describe_recommendation,
    provider_words,
)
from resbench.report.recommendation import Recommendations
from resbench.statistics.latency import FEWEST_FOR_P90

Row = dict[str, Any]

HOW_TO_READ = f"""\
## How to read this

- **Accuracy** is the share of test images whose likeliest class is right, by ONNX Runtime, in the mean of all seeds
  ± their standard deviation. In brackets stands the 95 % interval of what other seeds and other test images would give;
  for one seed, Wilson's, which is about this one model. Overlapping intervals do not tell whether networks differ.
- **Comparisons** do: they count that all networks saw the same test images. The interval is each pair's own. A model is
  *as accurate* where it lies within ± 1 point, and *as fast* where it lies within 5 %; else p, adjusted for the number
  of pairs (Holm), decides: below 0.05 one is better, otherwise the pair is *undecided*. Ratios of times are of the
  shortest calls in the same rounds. A published accuracy is of one run, so it is held against one more run of ours.
- **Loss** is the mean cross-entropy in nats. **Multiply-adds** are for one image.
- **Agreement** is the share of test images that get the same class from two models, the lowest of all seeds;
  **difference** is the largest between any two of their probabilities. fp32 files are held against Keras, those of
  other precisions against the fp32 file.
- **p50** and **p90** are percentiles of the time of one call, which is one batch, after warm-up. Every round times
  every model once, in random order and in a fresh process. **Images/s** is the batch size divided by p50.
- **–** means not measured, or too few calls for this claim: p90 takes {FEWEST_FOR_P90} of them.
"""


def render_markdown(
    rows: list[Row], comparisons: list[Row], decided: Recommendations, inputs: Inputs, dataset: str
) -> str:
    """The page: conditions and warnings first, then two tables for each precision and provider.

    Args:
        rows: of `report_rows`.
        comparisons: of `comparison_rows`.
        decided: of `recommend`.
        dataset: in words; published values stand beside measured ones where this is CIFAR-10.
    """
    cifar = titled(dataset).has_references
    parts = ["# Residual networks: accuracy and latency", _conditions(inputs, dataset)]
    parts += _caveats(rows, comparisons, inputs)
    parts += _recommendations(decided)
    for precision, provider in dict.fromkeys((row["precision"], row["provider"]) for row in rows):
        group = [row for row in rows if (row["precision"], row["provider"]) == (precision, provider)]
        parts.append(f"## {precision or 'unnamed precision'} on {provider}")
        reference = "Keras" if precision == "fp32" else "fp32"
        parts.append(_accuracy_table(group, reference, published=cifar))
        if any(row["latency_p50_ms"] is not None for row in group):
            parts.append(_latency_table(group))
    if comparisons:
        parts += ["## Comparisons", *_comparisons(comparisons)]
    parts += [_provenance(inputs), HOW_TO_READ.rstrip()]
    return "\n\n".join(parts) + "\n"


def _conditions(inputs: Inputs, dataset: str) -> str:
    images = span(p.train_images for p in inputs.parity)
    seeds = len({p.seed for p in inputs.parity})
    return (
        f"{_text(dataset)}: {images} training images, {span(p.epochs for p in inputs.parity)} epochs, "
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}, {inputs.parity[0].test_images:,} test images."
    )


def _caveats(rows: list[Row], comparisons: list[Row], inputs: Inputs) -> list[str]:
    protocols = {export.protocol for export in inputs.parity}
    found = caveats(
        pd.DataFrame(rows),
        pd.DataFrame(comparisons, columns=COMPARISON_COLUMNS),
        inputs.hosts,
        protocols.pop() if len(protocols) == 1 else None,
    )
    return [
        f"> **{'Warning' if caveat.grave else 'Note'}: {_text(caveat.title)}.** {_text(caveat.text)}"
        for caveat in found
    ]


def _recommendations(decided: Recommendations) -> list[str]:
    """The decision where bundles will run with its reasons; what is chosen elsewhere in one line each."""
    if not decided.recommendations:
        return []
    first = decided.deployed() or decided.recommendations[0]
    parts = ["## Recommendation", f"Deploy **{_text(first.choice.variant)}** in **{_text(first.choice.precision)}**."]
    parts.append("\n".join(f"- {_text(sentence)}" for sentence in describe_recommendation(first)))
    lines = [
        f"- {PRIORITY_WORDS[one.priority]}: {_text(one.model.name)}. {_text(describe_alternative(one, first.choice))}"
        for one in first.alternatives
        if one.model != first.choice
    ]
    parts += ["What would change it:\n\n" + "\n".join(lines)] if lines else []
    where = [
        [_text(one.host), provider_words(one.provider), one.choice.name, str(one.batch_size), str(one.threads)]
        for one in decided.recommendations
    ]
    parts.append(table(["Host", "Provider", "Recommended", "Batch", "Threads"], where, words=3))
    precisions = [
        [name, one.model.precision, _text(describe_precision(one)) or "–"] for name, one in first.precisions.items()
    ]
    parts.append(table(["Network", "Precision", "Why"], precisions, words=3))
    return parts


def _accuracy_table(group: list[Row], reference: str, *, published: bool) -> str:
    """`reference`: what agreement and difference are with."""
    header = ["Variant", "Test accuracy (%)", "Published (%)", "Loss (nats)", "Published (nats)"]
    header += ["Parameters", "Multiply-adds (M)", f"Agreement with {reference} (%)", f"Difference from {reference}"]
    body = []
    for row in {row["variant"]: row for row in group}.values():
        body.append(
            [
                row["variant"],
                _accuracy(row),
                _number(row["published_accuracy"], "{:.2f}", 100),
                _number(row["loss_mean"], "{:.4f}"),
                _number(row["published_loss"], "{:.4f}"),
                _number(row["parameters"], "{:,}"),
                _number(row["macs"], "{:.1f}", 1e-6),
                _number(row["top1_agreement"], "{:.2f}", 100),
                _number(row["max_abs_diff"], "{:.1e}"),
            ]
        )
    kept = [n for n in range(len(header)) if published or not header[n].startswith("Published")]
    return table([header[n] for n in kept], [[line[n] for n in kept] for line in body])


def _latency_table(group: list[Row]) -> str:
    settings = sorted({(row["batch_size"], row["threads"]) for row in group if row["batch_size"]})
    header = ["Variant"]
    for batch_size, threads in settings:
        title = f"batch {batch_size}, {threads} {'thread' if threads == 1 else 'threads'}"
        header += [f"{title}: p50 / p90 (ms)", f"{title}: images/s"]
    measured = {(row["variant"], row["batch_size"], row["threads"]): row for row in group}
    body = []
    for variant in dict.fromkeys(row["variant"] for row in group):
        line = [variant]
        for setting in settings:
            row = measured.get((variant, *setting), {})
            p50, p90 = (_number(row.get(name), "{:.2f}") for name in ("latency_p50_ms", "latency_p90_ms"))
            line += [f"{p50} / {p90}" if row else "–", _number(row.get("throughput_ips"), "{:,.0f}")]
        body.append(line)
    return table(header, body)


def _comparisons(comparisons: list[Row]) -> list[str]:
    """A table for accuracy and one for latency; pairs of networks in different precisions are left to the file."""
    comparisons = [row for row in comparisons if row["kind"] is not Kind.MODEL]
    tables = []
    for metric, header in {
        "accuracy": ["Accuracy", "Provider", "Difference (points)", "p, corrected", "Verdict on the first"],
        "latency": [
            "Latency",
            "Provider",
            "Batch",
            "Threads",
            "Ratio of times",
            "p, corrected",
            "Verdict on the first",
        ],
    }.items():
        rows = [row for row in comparisons if row["metric"] == metric]
        body = []
        for row in rows:
            names = [f"{row['first']} {row['first_precision']}", f"{row['second']} {row['second_precision']}"]
            setting = [str(row["batch_size"]), str(row["threads"])] if metric == "latency" else []
            estimate = _estimate(row, "{:+.2f}", 100) if metric == "accuracy" else _estimate(row, "{:.3f}", 1)
            line = [" – ".join(name.strip() for name in names), row["provider"], *setting, estimate]
            body.append(
                [*line, "–" if row["p_adjusted"] is None else p_value(row["p_adjusted"]), describe_comparison(row)]
            )
        if body:
            tables.append(table(header, body))
    return tables


def _estimate(row: Row, form: str, factor: float) -> str:
    text = _number(row["estimate"], form, factor)
    if row["low"] is None:
        return text
    return f"{text} [{_number(row['low'], form, factor)}, {_number(row['high'], form, factor)}]"


def _provenance(inputs: Inputs) -> str:
    lines = []
    for host in inputs.hosts:
        packages = host.get("packages")
        versions = ", ".join(f"{k} {v}" for k, v in packages.items()) if isinstance(packages, dict) else "unknown"
        lines.append(f"- Host ({_text(host.get('provider', ''))}): {_text(host['name'])}; {_text(host.get('os'))}")
        lines.append(f"- Versions: Python {_text(host.get('python'))}, {_text(versions)}")
    lines.append(f"- Data: SHA-256 {_text(inputs.summary.get('sha256'))}, from {_text(inputs.summary.get('source'))}")
    return "## Where the numbers come from\n\n" + "\n".join(dict.fromkeys(lines))


def _accuracy(row: Row) -> str:
    text = _number(row["accuracy_mean"], "{:.2f}", 100)
    if row["accuracy_std"] is not None:
        text += f" ± {100 * row['accuracy_std']:.2f}"
    if row["accuracy_low"] is not None:
        text += f" [{100 * row['accuracy_low']:.2f}, {100 * row['accuracy_high']:.2f}]"
    return text


def _number(value: float | None, form: str, factor: float = 1) -> str:
    return "–" if value is None else form.format(value * factor)


def _text(value: Any) -> str:
    return escaped("unknown" if value is None else str(value))
