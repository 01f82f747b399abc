"""Write workflow/envs/resbench.yaml anew, as `make lock` does: what the jobs run, in the versions of the lock file.

Snakemake copies the file before conda reads it, so it cannot point to the lock file; conda checks no hashes.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATH = ROOT / "workflow/envs/resbench.yaml"
EXTRAS = ("gpu", "train-gpu", "scenarios", "openvino")
HEAD = """\
# Made by `make lock`.  What the jobs of all rules need, for `snakemake --sdm conda`.
channels:
  - conda-forge
dependencies:
  - python=3.12
  - pip
  - pip:
"""


def environment() -> str:
    """Return the file's text."""
    options = [word for extra in EXTRAS for word in ("--extra", extra)]
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet", *options]
    command += ["--no-generate-hashes", "--constraints", "requirements-gpu.lock"]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return HEAD + "".join(f"      - {line}\n" for line in result.stdout.splitlines())


if __name__ == "__main__":
    PATH.write_text(environment())
