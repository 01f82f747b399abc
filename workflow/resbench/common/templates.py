"""Templates of reports: one set of options for all of them."""

from collections.abc import Callable
from typing import Any

import jinja2


def template_environment(*packages: str, finalize: Callable[[Any], Any] | None = None) -> jinja2.Environment:
    """Return the environment that renders the templates of packages, each in its folder `templates`.

    Every value that is inserted is escaped for HTML, a name that is not defined is an error, and lines that hold only a
    statement leave no line.

    Args:
        packages: Names of the packages, in the order in which a template is searched.
        finalize: What to apply to each value before it is inserted.

    Returns:
        The environment.
    """
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package) for package in packages]),
        autoescape=True,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def resource(environment: jinja2.Environment, name: str) -> str:
    """Return a file next to the templates, as it is.

    Args:
        environment: Where it is searched.
        name: Name of the file.

    Returns:
        Its text.
    """
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
