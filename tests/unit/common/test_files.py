"""Files appear complete or not at all, hold only what every reader understands, and are found through links."""

import pytest
from resbench.common.errors import ResbenchError
from resbench.common.files import read_checksums, read_json, sha256, write_checksums, write_json


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


def test_hashes_of_files_outside_are_found_where_the_folder_is_a_link(tmp_path):
    """As results on another disk, with timings that were measured elsewhere."""
    target, board = tmp_path / "disk/deep/results", tmp_path / "board"
    target.mkdir(parents=True)
    board.mkdir()
    results = tmp_path / "results"
    results.symlink_to(target)
    for path in (board / "samples.csv", results / "report.csv"):
        path.write_text(path.name)
    write_checksums(results / "SHA256SUMS", [board / "samples.csv", results / "report.csv"])
    found = read_checksums(results / "SHA256SUMS", outside=True)
    assert list(found) == ["../../../board/samples.csv", "report.csv"]
    assert [sha256(results / name) for name in found] == list(found.values())


def test_a_file_inside_that_is_a_link_is_called_by_its_place_inside(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (tmp_path / "test.npz").touch()
    (results / "test.npz").symlink_to(tmp_path / "test.npz")
    write_checksums(results / "SHA256SUMS", [results / "test.npz"])
    assert list(read_checksums(results / "SHA256SUMS")) == ["test.npz"]


def test_a_missing_file_is_not_to_be_deleted(tmp_path):
    with pytest.raises(ResbenchError, match=r"host\.json: no such file; run its stage$"):
        read_json(tmp_path / "host.json")
