"""The names and files of the variants, listed without importing TensorFlow."""

import os
import re
from pathlib import Path

from resbench.common.errors import ResbenchError
from resbench.common.names import unknown

OWN_FOLDER = Path(__file__).parents[1] / "networks" / "variants"
FOLDER_VARIABLE = "RESBENCH_VARIANTS"  # environment variable: the folder of the user's own variants
NAME = re.compile("[A-Za-z0-9_]{1,64}")  # what a column, a path and a Python module take


def variant_folders() -> list[Path]:
    """Return the folders that hold variants.

    Returns:
        The package's folder, then the user's where there is one, as absolute paths: those of modules are, too.
    """
    users = Path(os.environ.get(FOLDER_VARIABLE) or OWN_FOLDER).expanduser().absolute()
    return [OWN_FOLDER] if users == OWN_FOLDER or not users.is_dir() else [OWN_FOLDER, users]


def variant_names() -> list[str]:
    """Return the names of all variants: one for each file in the folders whose name does not begin with _.

    Returns:
        The names, sorted.
    """
    return sorted({path.stem for folder in variant_folders() for path in folder.glob("[!_]*.py")})


def variant_file(name: str) -> Path:
    """Return the file that defines a variant.

    Args:
        name: The variant's name.

    Returns:
        Its path.

    Raises:
        ResbenchError: No variant or more than one has this name, or it is not a valid name.
    """
    if not NAME.fullmatch(name):
        raise ResbenchError(
            f"variant {name!r}: a name has at most 64 characters, letters, digits and _; rename its file"
        )
    files = [path for folder in variant_folders() if (path := folder / f"{name}.py").is_file()]
    if not files:
        raise unknown("variant", name, variant_names())
    if len(files) > 1:
        raise ResbenchError(f"{files[1]}: resbench has a variant of that name; rename this file")
    return files[0]
