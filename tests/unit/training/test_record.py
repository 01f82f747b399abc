"""The record inside a .keras file, read from files that nobody vouches for."""

import json
import zipfile

import pytest
from resbench.common.errors import ResbenchError
from resbench.training.record import MAX_RECORD, NEEDED, RECORD, read_record

GOOD = {"variant": "pool", "protocol": "notebook", "seed": 0, "epochs": 1, "batch_size": 32, "train_images": 64}
GOOD |= {"train_seconds": 1.5, "classes": ["a", "b"], "anything": "else"}


def write(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(RECORD, content)
    return path


def test_a_valid_record_is_read_completely(tmp_path):
    assert read_record(write(tmp_path / "m.keras", json.dumps(GOOD))) == GOOD


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 200_000, "recursion"),
        (b" " * (MAX_RECORD + 1), "has more than"),
        (b"[1]", "is not an object"),
        (b"{}", "has no valid 'variant'"),
        (b"\xff", "utf"),
        (b"", "Expecting value"),
        *[(json.dumps(GOOD | {name: {}}).encode(), f"has no valid '{name}'") for name in NEEDED],
    ],
)
def test_a_hostile_record_is_one_line(tmp_path, content, words):
    with pytest.raises(ResbenchError, match=words) as caught:
        read_record(write(tmp_path / "m.keras", content))
    assert str(caught.value).isprintable()
    assert "train it again" in str(caught.value)


def test_other_files_are_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    for path in (tmp_path / "m.keras", tmp_path / "absent", tmp_path):
        with pytest.raises(ResbenchError, match="not a model that `resbench train` wrote"):
            read_record(path)
