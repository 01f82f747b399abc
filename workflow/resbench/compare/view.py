"""Render a comparison as text, Markdown, a page or JSON; the first three show the same tables."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from resbench.common import markdown
from resbench.common.errors import printable
from resbench.common.templates import resource, template_environment
from resbench.compare.comparison import Bits, Comparison, Reason, Row
from resbench.report.format import p_value, percent, points, ratio, significant
from resbench.report.prose import accuracy_margin, latency_margin, provider_title
from resbench.statistics.verdicts import ACCURACY_MARGIN, LATENCY_MARGIN, Verdict

NONE = "–"
SAME = "identical"


class Table(NamedTuple):
    """A table of texts.

    Attributes:
        title: Its heading.
        note: How to read it.
        header: Titles of the columns.
        rows: Texts; as many in each as in the header.
        texts: Number of columns, from the left, that hold text; the remaining ones hold numbers.
    """

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]
    texts: int


def tables(comparison: Comparison) -> list[Table]:
    """Return the tables of a comparison, without the empty ones.

    Args:
        comparison: The comparison.

    Returns:
        The tables.
    """
    found = [_differences(comparison), _bits(comparison), _accuracies(comparison), _latencies(comparison)]
    return [table for table in found if table.rows]


def headline(comparison: Comparison) -> str:
    """Return the outcome in one phrase.

    Args:
        comparison: The comparison.

    Returns:
        The phrase.
    """
    if comparison.failures:
        return "Not reproduced"
    same = comparison.bits and not any(bits.differs_at for bits in comparison.bits)
    return "Reproduced, bit for bit" if same else "No change for the worse is shown"


def summary(comparison: Comparison) -> list[str]:
    """Return the main findings besides the failures, one sentence each.

    Args:
        comparison: The comparison.

    Returns:
        The sentences.
    """
    different = [bits for bits in comparison.bits if bits.differs_at]
    count, differing = len(comparison.bits), len(comparison.differing)
    lines = [f"Verdicts on the new run: {_counts(comparison.rows)}."]
    if count:
        lines.append(f"{count - len(different)} of {count} models are the same bit for bit in all that both runs hold.")
    lines.append(f"Facts about the runs: {differing} differ, {comparison.shared} do not.")
    if comparison.only_new:
        lines.append(f"Only in the new run: {'; '.join(comparison.only_new)}.")
    return lines


def render_terminal(comparison: Comparison) -> str:
    """Return a comparison as text in columns.

    Args:
        comparison: The comparison.

    Returns:
        The text.
    """
    sentences = [headline(comparison), *comparison.failures, *summary(comparison)]
    names = [f"old: {comparison.old}", f"new: {comparison.new}"]
    # Texts of a run from elsewhere cannot control the terminal.
    parts = ["\n".join(map(printable, lines)) for lines in (names, sentences)]
    for table in tables(comparison):
        lines = [table.header, *([printable(cell) for cell in row] for row in table.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
        text = "\n".join(_aligned(line, widths, table.texts) for line in lines)
        parts.append(f"{table.title}\n{text}\n({table.note})")
    return "\n\n".join(parts) + "\n"


def render_markdown(comparison: Comparison) -> str:
    """Return a comparison as Markdown, for a comment on a pull request or a job's summary.

    Args:
        comparison: The comparison.

    Returns:
        Markdown.
    """
    parts = [f"# {markdown.escaped(comparison.old)} → {markdown.escaped(comparison.new)}"]
    parts.append(f"**{headline(comparison)}**")
    lines = [*comparison.failures, *summary(comparison)]
    parts.append("\n".join(f"- {markdown.escaped(line)}" for line in lines))
    for table in tables(comparison):
        rows = [[markdown.escaped(cell) for cell in row] for row in table.rows]
        parts.append(f"## {table.title}\n\n{table.note}\n\n{markdown.table(table.header, rows, texts=table.texts)}")
    return "\n\n".join(parts) + "\n"


def render_html(comparison: Comparison) -> str:
    """Return a comparison as an HTML page in the report's style, which loads nothing and runs no script.

    Args:
        comparison: The comparison.

    Returns:
        HTML.
    """
    environment = template_environment("resbench.compare", "resbench.report.html")
    return environment.get_template("compare.html.j2").render(
        style=resource(environment, "page.css"),
        comparison=comparison,
        headline=headline(comparison),
        summary=summary(comparison),
        tables=tables(comparison),
    )


def render_json(comparison: Comparison) -> str:
    """Return a comparison as a JSON object: the fields of `Comparison`, and `failures`.

    Args:
        comparison: The comparison.

    Returns:
        JSON.
    """
    content = {field.name: _plain(getattr(comparison, field.name)) for field in dataclasses.fields(comparison)}
    return json.dumps(content | {"failures": comparison.failures}, indent=2) + "\n"


def _plain(value: Any) -> Any:
    """Return a value with named tuples as dictionaries; json would write them as lists."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _aligned(line: Sequence[str], widths: list[int], texts: int) -> str:
    cells = [
        cell.ljust(width) if column < texts else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _counts(rows: list[Row]) -> str:
    """Return the number of rows with each verdict, such as `accuracy 4 equivalent; latency 2 undecided`."""
    parts = []
    for metric in dict.fromkeys(row.metric for row in rows):
        verdicts = [row.verdict for row in rows if row.metric == metric]
        found = [f"{verdicts.count(one)} {one.value.replace('_', ' ')}" for one in Verdict if one in verdicts]
        parts.append(f"{metric} {', '.join(found)}")
    return "; ".join(parts) or "nothing to compare"


def _differences(comparison: Comparison) -> Table:
    rows = [[fact.section, fact.name, fact.old or NONE, fact.new or NONE] for fact in comparison.differing]
    return Table(
        "What differs", "facts that are the same in both runs are left out", ["about", "fact", "old", "new"], rows, 4
    )


def _bits(comparison: Comparison) -> Table:
    def line(bits: Bits) -> list[str]:
        differs = f"first difference: {bits.differs_at}" if bits.differs_at else SAME if bits.compared else NONE
        return [*bits.model, differs, ", ".join(bits.compared) or "nothing"]

    note = "the first stage whose output differs; metadata and time stamps do not count"
    header = ["variant", "seed", "precision", "bits", "compared"]
    return Table("Same bits?", note, header, [line(bits) for bits in comparison.bits], 5)


def _accuracies(comparison: Comparison) -> Table:
    rows = [row for row in comparison.rows if row.metric == "accuracy"]
    header = ["variant", "precision", "provider", "verdict", "old %", "new %", "points", "95 % CI", "p", "seeds"]
    note = (
        f"equivalent: within {accuracy_margin(ACCURACY_MARGIN)}; paired by test image, and by seed where both runs "
        "share seeds; p is adjusted over all rows (Holm)"
    )
    cells = [
        [
            *_names(row),
            *(percent(row.old), percent(row.new), points(row.estimate), _interval(row, points)),
            *(_p(row), _seeds(row)),
        ]
        for row in rows
    ]
    return Table("Accuracy", note, header, cells, 4)


def _latencies(comparison: Comparison) -> Table:
    rows = [row for row in comparison.rows if row.metric == "latency"]
    header = ["variant", "precision", "provider", "verdict", "batch", "threads", "old ms", "new ms", "ratio", "95 % CI"]
    if comparison.spread:
        how = (
            "runs at different times are not paired, so the interval also covers how far the same model varies between "
            f"occasions, {latency_margin(round(comparison.spread.deviation, 3))} (standard deviation, "
            f"{comparison.spread.occasions} occasions)"
        )
    else:
        how = "both runs' models were timed now, in the same rounds"
    note = f"equivalent: within {latency_margin(LATENCY_MARGIN)}; shortest calls; {how}"
    cells = [
        [
            *_names(row),
            *(str(row.batch_size), str(row.threads), significant(row.old), significant(row.new)),
            *(ratio(row.estimate), _interval(row, ratio), _p(row)),
        ]
        for row in rows
    ]
    return Table("Latency", note, [*header, "p"], cells, 4)


def _names(row: Row) -> list[str]:
    return [row.variant, row.precision, provider_title(row.provider), _verdict(row)]


def _verdict(row: Row) -> str:
    verdict = row.verdict.value.replace("_", " ")
    reasons = {
        Reason.SAME_BITS: "same predictions",
        Reason.ONE_SEED: "these two models only: one seed",
        Reason.OTHER_SEEDS: "one seed and several others: train the same seeds",
        Reason.FEW_ROUNDS: "too few rounds",
        Reason.HARDWARE: f"other hardware: {', '.join(row.unlike)}",
        Reason.VERSIONS: f"other versions: {', '.join(row.unlike)}",
    }
    return f"{verdict} ({reasons[row.reason]})" if row.reason else verdict


def _interval(row: Row, written: Callable[[float], str]) -> str:
    return NONE if row.low is None or row.high is None else f"{written(row.low)} to {written(row.high)}"


def _seeds(row: Row) -> str:
    number = str(row.seeds) if row.seeds == row.seeds_new else f"{row.seeds} and {row.seeds_new}"
    return number if row.paired else f"{number}, unpaired"


def _p(row: Row) -> str:
    return NONE if row.p_adjusted is None else p_value(row.p_adjusted)
