"""The names and files of the variants, found without importing TensorFlow."""

import os
from pathlib import Path

from resbench.common.errors import ResbenchError

OWN_FOLDER = Path(__file__).parents[1] / "networks" / "variants"
FOLDER_VARIABLE = "RESBENCH_VARIANTS"  # environment variable that names a folder with variants of the user's own


def variant_folders() -> list[Path]:
    """Return the folders that variants are looked for in: the suite's own, and the user's where there is one."""
    users = os.environ.get(FOLDER_VARIABLE)
    return [OWN_FOLDER, *([Path(users).expanduser()] if users and Path(users).expanduser().is_dir() else [])]


def variant_names() -> list[str]:
    """Return the names of all variants, sorted: one for each file in the folders that does not begin with _."""
    return sorted({path.stem for folder in variant_folders() for path in folder.glob("[!_]*.py")})


def variant_file(name: str) -> Path:
    """Return the file that defines a variant.

    Raises:
        ResbenchError: There is none of that name.
    """
    for folder in variant_folders():
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    raise ResbenchError(f"unknown variant {name!r}; there are {', '.join(variant_names())}")
