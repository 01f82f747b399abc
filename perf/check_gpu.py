"""Does this machine's GPU train, and how fast?  Run by `make check-gpu`; reads well in a bug report.

Prints each finding and PASS, or what is missing and the fix, with exit status 1.
"""

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

FIX = "install a driver for CUDA 12 and the GPU lock file: rm -r .venv && make check-gpu"


def driver() -> str | None:
    """What nvidia-smi says of cards and driver, or None."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 and answer.stdout.strip() else None


def main() -> None:
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    print(f"Python {platform.python_version()}, {versions}, {platform.platform()}")
    cards = driver()
    if cards is None:
        sys.exit(f"FAIL: nvidia-smi does not answer: no NVIDIA GPU or no driver here; {FIX}")
    print(f"driver: {cards}")

    import resbench.networks  # noqa: F401  imports TensorFlow quietly

    import tensorflow as tf  # isort: skip

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        sys.exit(f"FAIL: TensorFlow sees none of these cards; {FIX}")
    print(f"TensorFlow sees {len(gpus)}: {tf.config.experimental.get_device_details(gpus[0])}", flush=True)
    # In processes of their own: this one must not hold the card's memory.
    train = Path(__file__).with_name("train.py")
    measured = subprocess.run([sys.executable, train, "--variants", "pool", "--steps", "1500", "--rounds", "1"])
    if measured.returncode:
        sys.exit("FAIL: training `pool` on the card did not end well; the reason stands above")
    print("PASS")


if __name__ == "__main__":
    main()
