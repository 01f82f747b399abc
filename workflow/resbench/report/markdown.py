"""report.md: the report as Markdown."""

from typing import Any

import jinja2
from markupsafe import Markup

from resbench.common.markdown import escaped
from resbench.report import prose
from resbench.report.document import Document


def render_markdown(document: Document) -> str:
    """Return report.md. Every value that is inserted is escaped: a file of results may contain any text.

    Args:
        document: The report.

    Returns:
        Markdown.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("resbench.report"),
        autoescape=True,  # keeps what macros return from being escaped again; `_escaped` comes first
        finalize=_escaped,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.md.j2").render(document=document, prose=prose)


def _escaped(value: Any) -> Markup:
    return value if isinstance(value, Markup) else Markup(escaped(str(value)))
