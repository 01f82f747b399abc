"""The commit of the running code, and no other repository's."""

import subprocess

import pytest
from resbench.common import checkout
from resbench.common.checkout import git_state


@pytest.fixture
def git(tmp_path, monkeypatch):
    """A function that runs git in a folder that holds the package's file."""
    (tmp_path / "checkout.py").write_text("")
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "checkout.py"))

    def run(*arguments):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        subprocess.run(command, check=True)

    return run


def test_commit_and_changes(git, tmp_path):
    assert git_state() is None
    git("init", "-q")
    git("add", "checkout.py")
    git("commit", "-qm", "first")
    (tmp_path / "of no commit").touch()
    state = git_state()
    assert len(state["commit"]) == 40
    assert not state["dirty"]
    (tmp_path / "checkout.py").write_text("changed")
    assert git_state() == {"commit": state["commit"], "dirty": True}


def test_the_repository_of_another_project_around_the_package_is_not_its_own(git):
    git("init", "-q")
    git("commit", "-qm", "first", "--allow-empty")
    assert git_state() is None
