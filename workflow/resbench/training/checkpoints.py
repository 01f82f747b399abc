"""What a training job leaves behind after each epoch, so that a killed one goes on from there."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.common.files import atomic
from resbench.common.progress import say

KEPT = 2  # a damaged newest one still leaves the one before it


class State(NamedTuple):
    """Everything that the next epoch depends on.

    weights: values of all of the model's variables, in their order: weights, running statistics, and the states of the
    seed generators of Dropout and augmentation layers.  optimizer: values of its variables, in their order.
    history: one row for each epoch done.
    """

    weights: list[NDArray[Any]]
    optimizer: list[NDArray[Any]]
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Folder:
    """Where one job saves its state.

    Attributes:
        path: The folder, made when the first state is saved.
        fingerprint: Names the job: settings, data, device and network.
    """

    path: Path
    fingerprint: str

    def save(self, state: State) -> None:
        """Write the state after epoch len(state.history) and drop the oldest checkpoints."""
        arrays: dict[str, Any] = {f"weights{i}": value for i, value in enumerate(state.weights)}
        arrays |= {f"optimizer{i}": value for i, value in enumerate(state.optimizer)}
        note = json.dumps({"fingerprint": self.fingerprint, "history": state.history})
        with atomic(self.path / f"epoch{len(state.history):04d}.npz") as temporary, temporary.open("wb") as stream:
            np.savez(stream, note=np.array(note), **arrays)
        for path in self._newest_first()[KEPT:]:
            path.unlink()

    def load(self) -> State | None:
        """Return the newest usable state of the very same job, or None.

        A checkpoint that is damaged, or was left by a job with other settings, data or network, is passed over with a
        message.
        """
        for path in self._newest_first():
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    note = json.loads(str(arrays["note"]))
                    if note["fingerprint"] != self.fingerprint:
                        say(f"{path}: left by a job with other settings, data or network; not used")
                        continue
                    return State(_numbered(arrays, "weights"), _numbered(arrays, "optimizer"), note["history"])
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                say(f"{path}: damaged checkpoint ({error}); falling back to the one before it")
        return None

    def remove(self) -> None:
        """Remove the checkpoints, and the folder where nothing else is in it."""
        for path in self.path.glob("*epoch*.npz"):
            path.unlink()
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def _newest_first(self) -> list[Path]:
        return sorted(self.path.glob("epoch*.npz"), reverse=True)


def _numbered(arrays: Any, name: str) -> list[NDArray[Any]]:
    """Arrays name0, name1, …: every one is read, which checks its CRC."""
    count = sum(key.startswith(name) for key in arrays.files)
    return [arrays[f"{name}{i}"] for i in range(count)]
