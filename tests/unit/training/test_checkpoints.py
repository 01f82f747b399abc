"""Checkpoints survive damage and are never taken for another job's."""

from pathlib import Path

import numpy as np
import pytest
from resbench.training.checkpoints import Folder, State


def state(epoch):
    history = [{"epoch": i + 1, "loss": 1.5} for i in range(epoch)]
    return State([np.full((2, 3), epoch, np.float32), np.arange(4.0)], [np.array(epoch, np.int64)], history)


def assert_same(found, wanted):
    assert found.history == wanted.history
    for mine, other in zip(found.weights + found.optimizer, wanted.weights + wanted.optimizer, strict=True):
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == other.dtype


def test_newest_comes_back_and_old_ones_go(tmp_path):
    for epoch in (1, 2, 3):
        Folder(tmp_path, "job").save(state(epoch))
    assert_same(Folder(tmp_path, "job").load(), state(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch0002.npz", "epoch0003.npz"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_a_damaged_one_falls_back_and_says_so(tmp_path, capsys, damage):
    for epoch in (1, 2):
        Folder(tmp_path, "job").save(state(epoch))
    newest = tmp_path / "epoch0002.npz"
    whole = newest.read_bytes()
    at = whole.index(np.full((2, 3), 2, np.float32).tobytes())
    newest.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "flipped": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
            "empty": b"",
            "text": b"not a checkpoint",
        }[damage]
    )
    assert_same(Folder(tmp_path, "job").load(), state(1))
    assert "epoch0002.npz: damaged checkpoint" in capsys.readouterr().err


def test_another_jobs_is_not_used(tmp_path, capsys):
    Folder(tmp_path, "job").save(state(1))
    assert Folder(tmp_path, "other job").load() is None
    assert "not used" in capsys.readouterr().err


def test_later_checkpoints_of_another_job_do_not_push_out_new_ones(tmp_path):
    for epoch in (8, 9):
        Folder(tmp_path, "job before an edit").save(state(epoch))
    for epoch in (1, 2, 3):
        Folder(tmp_path, "job").save(state(epoch))
        assert_same(Folder(tmp_path, "job").load(), state(epoch))
    assert len(list(tmp_path.iterdir())) == 4
    Folder(tmp_path, "job").remove()
    assert not tmp_path.exists()


def test_no_folder_is_no_state(tmp_path):
    assert Folder(tmp_path / "none", "job").load() is None
    Folder(tmp_path / "none", "job").remove()


def test_remove_leaves_strangers_files(tmp_path):
    folder = tmp_path / "checkpoints"
    Folder(folder, "job").save(state(1))
    Folder(folder, "job").remove()
    assert not folder.exists()
    Folder(folder, "job").save(state(1))
    (folder / "notes.txt").touch()
    Folder(folder, "job").remove()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_only_files_of_its_own_names_are_checkpoints(tmp_path, monkeypatch):
    """The folder may be one that holds other files, such as the working directory."""
    monkeypatch.chdir(tmp_path)
    others = ["my_epoch.npz", "epoch.npz", "epoch0001-mine.npz", "epoch9999_results.npz", "data.epochs.npz"]
    for name in others:
        (tmp_path / name).touch()
    folder = Folder(Path(), "job")
    for epoch in (1, 2, 3):
        folder.save(state(epoch))
    assert_same(folder.load(), state(3))
    (tmp_path / ".epoch0004.k2_x81ab.npz").touch()
    folder.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
    for name in others:
        (tmp_path / name).unlink()
    folder.remove()
    assert tmp_path.is_dir()
