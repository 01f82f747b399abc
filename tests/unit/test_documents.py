"""Documents that are partly made from the code agree with it."""

import pytest
from documents import PARTS
from resbench.common.markdown import replace_between


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.path.name}-{part.name}")
def test_a_generated_part_is_current(part):
    assert part.path.read_text(encoding="utf-8") == part.current(), "run `make docs`"


def test_only_the_part_between_markers_is_replaced():
    text = "before\n<!-- part -->\nold\n<!-- /part -->\nafter\n"
    assert replace_between(text, "part", "new\n") == "before\n<!-- part -->\nnew\n<!-- /part -->\nafter\n"
    for invalid in (text.replace("<!-- part -->\n", ""), text + text):
        with pytest.raises(ValueError, match="must stand in the text once each"):
            replace_between(invalid, "part", "new")
