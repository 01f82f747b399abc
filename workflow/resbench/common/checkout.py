"""The commit of the running code."""

import subprocess
from pathlib import Path
from typing import Any

TIMEOUT_S = 30  # git, on a file system that does not respond


def git_state() -> dict[str, Any] | None:
    """Return the commit of the running code, and whether tracked files differ from it.

    Returns:
        `commit` and `dirty`; None outside a checkout, also where a repository of something else surrounds the package.
    """
    file = Path(__file__)
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit = _git(file.parent, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": _git(file.parent, "status", "--porcelain", "--untracked-files=no") != ""}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints in a folder; None where it fails or is not installed."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
