"""Files appear complete or not at all, and hold only what every reader understands."""

import pytest
from resbench.common.errors import ResbenchError
from resbench.common.files import read_json, write_json


def test_a_value_that_json_cannot_hold_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    for value in (float("nan"), float("inf"), {1}):
        with pytest.raises((ValueError, TypeError)):
            write_json(path, {"a": value})
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [2**63, -(2**63)])
def test_integers_that_cannot_be_computed_with_are_refused(tmp_path, number):
    path = tmp_path / "a.json"
    for value in (number // 2, number):
        path.write_text(str(value))
        if value == number:
            with pytest.raises(ResbenchError, match="a number of"):
                read_json(path)
        else:
            assert read_json(path) == value
