"""The configuration of a run, which its page holds."""

import html
import re
from pathlib import Path

from resbench.common.errors import ResbenchError, one_line

PLACE = re.compile(r'<pre id="configuration"[^>]*>(.*?)</pre>', re.DOTALL)


def read_configuration(page: Path) -> str:
    """Read the configuration that a page shows.

    Args:
        page: The page.

    Returns:
        YAML.

    Raises:
        ResbenchError: It has none.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{page}: cannot be read ({one_line(error)}); make it with `resbench page`") from error
    match = PLACE.search(text)
    if not match:
        raise ResbenchError(f"{page}: holds no configuration; make it again with `resbench page`")
    return html.unescape(match[1])
