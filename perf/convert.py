"""The convert stage compared with a lower limit and with the notebook's own way.

    python perf/convert.py ARCHIVE.tar.gz [--rounds 5] [--without-notebook]

with the package importable (PYTHONPATH=workflow) and the full archive of 60,000 images in the Python
layout.  The rounds interleave `resbench convert` and the limit, `sha256sum` + `gzip -dc` of the same
file, after one unmeasured pass over the file, so that all read it from memory.  The notebook's way
(unpack, unpickle, nested lists of pixels, float64) takes part in every second round: it needs some
9 GB of memory and two minutes.  Prints a table and the ratios against their targets; exit status 1 where one is missed.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
from harness import Verdict

LIMIT = 1.6  # times the lower limit, at most
SPEED_UP = 30.0  # times faster than the notebook, at least
MEMORY = 600.0  # MB, at most

# As a notebook has it: one image at a time, through Python lists.
NOTEBOOK = """
import pickle, sys, tarfile
import numpy as np
archive, folder = sys.argv[1:]
tarfile.open(archive).extractall(folder, filter="data")

def load(name):
    with open(f"{folder}/cifar-10-batches-py/{name}", "rb") as file:
        batch = pickle.load(file, encoding="bytes")
    images = []
    for row in batch[b"data"]:
        values = row.tolist()
        red, green, blue = values[:1024], values[1024:2048], values[2048:]
        image = []
        for y in range(32):
            line = []
            for x in range(32):
                line.append([red[32 * y + x], green[32 * y + x], blue[32 * y + x]])
            image.append(line)
        images.append(image)
    return images, batch[b"labels"]

x_train, y_train = [], []
for number in range(1, 6):
    images, labels = load(f"data_batch_{number}")
    x_train += images
    y_train += labels
x_test, y_test = load("test_batch")
x_train, x_test = np.array(x_train) / 255, np.array(x_test) / 255
y_train, y_test = np.array(y_train), np.array(y_test)
"""


def convert_command(archive: str, folder: str) -> list[str]:
    words = ["--train", f"{folder}/resbench/train.npz", "--test", f"{folder}/resbench/test.npz"]
    return harness.resbench("convert", archive, *words)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-notebook", action="store_true", help="leave out the slow comparison")
    arguments = parser.parse_args()
    archive = str(arguments.archive)
    with tempfile.TemporaryDirectory(dir=arguments.archive.parent) as folder:
        commands = {
            "resbench convert": convert_command(archive, folder),
            "sha256sum + gzip -dc": ["sh", "-c", 'sha256sum "$0" && gzip -dc "$0"', archive],
        }
        subprocess.run(["sha256sum", archive], check=True, stdout=subprocess.DEVNULL)
        rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        if not arguments.without_notebook:
            rounds["the notebook's way"] = []
        for number in range(arguments.rounds):
            # Not over the files of the round before: some file systems wait for the disk then.
            shutil.rmtree(f"{folder}/resbench", ignore_errors=True)
            for name, command in commands.items():
                rounds[name].append(harness.run(command))
            if "the notebook's way" in rounds and number % 2 == 0:
                rounds["the notebook's way"].append(harness.run([sys.executable, "-c", NOTEBOOK, archive, folder]))

    print(f"{'':22} {'median s':>9} {'least s':>9} {'peak MB':>9} {'rounds':>7}")
    medians = {}
    for name, results in rounds.items():
        seconds = [result[0] for result in results]
        medians[name] = statistics.median(seconds)
        peak = max(result[1] for result in results)
        print(f"{name:22} {medians[name]:9.2f} {min(seconds):9.2f} {peak:9.0f} {len(results):7}")

    ours, limit, *notebook = medians.values()
    memory = max(peak for _, peak in rounds["resbench convert"])
    verdicts = [
        Verdict(f"{ours / limit:.2f} × the lower limit", f"at most {LIMIT}", ours <= LIMIT * limit),
        Verdict(f"{memory:.0f} MB at the peak", f"at most {MEMORY:.0f}", memory <= MEMORY),
    ]
    if notebook:
        faster = notebook[0] / ours
        text = f"{faster:.0f} × faster than the notebook"
        verdicts.append(Verdict(text, f"at least {SPEED_UP:.0f}", faster >= SPEED_UP))
    harness.conclude(verdicts)


if __name__ == "__main__":
    main()
