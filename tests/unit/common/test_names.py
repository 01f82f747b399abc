"""Names that are looked up, and the message that suggests one."""

import pytest
from resbench.common.errors import ResbenchError
from resbench.common.names import look_up, suggestion


def test_a_known_name_gives_its_record() -> None:
    assert look_up("protocol", "notebook", {"notebook": 1, "onecycle": 2}) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notebok", r"^protocol 'notebok' is unknown; did you mean notebook\? \(known: notebook, onecycle\)$"),
        ("x" * 50, r"^protocol 'x{39} is unknown \(known: notebook, onecycle\)$"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(ResbenchError, match=message):
        look_up("protocol", name, {"notebook": 1, "onecycle": 2})


@pytest.mark.parametrize("name", ["resnet21", "resnet2"])
def test_of_names_with_as_many_common_letters_the_one_with_more_in_a_row_is_suggested(name: str) -> None:
    assert "did you mean resnet20?" in suggestion(name, ["resnet110", "resnet20", "resnet32"])


def test_capital_letters_hide_no_similar_name() -> None:
    assert "did you mean CIFAR10?" in suggestion("cifar10", ["CIFAR10", "digits"])
    assert "did you mean gpu?" in suggestion("GPU", ["auto", "gpu", "cpu"])
