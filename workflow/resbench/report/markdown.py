"""report.md: the report as Markdown."""

from typing import Any

from markupsafe import Markup

from resbench.common.markdown import escaped
from resbench.common.templates import template_environment
from resbench.report import prose
from resbench.report.document import Document


def render_markdown(document: Document) -> str:
    """Return report.md. Every value that is inserted is escaped: a file of results may contain any text.

    Args:
        document: The report.

    Returns:
        Markdown.
    """
    # Escaping for HTML keeps what macros return from being escaped again; `_escaped` comes first.
    environment = template_environment("resbench.report", finalize=_escaped)
    return environment.get_template("report.md.j2").render(document=document, prose=prose)


def _escaped(value: Any) -> Markup:
    return value if isinstance(value, Markup) else Markup(escaped(str(value)))
