"""Checkpoints: the state of a training job after each epoch, from which a killed job continues."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.common.files import atomic
from resbench.common.progress import say

KEPT = 2  # where the newest is damaged, the one before it is used


class State(NamedTuple):
    """Everything that the next epoch depends on.

    Attributes:
        weights: Values of all of the model's variables, in their order: weights, running statistics, and the states of
            the seed generators of Dropout and augmentation layers.
        optimizer: Values of the optimiser's variables, in their order.
        history: One row for each epoch done.
    """

    weights: list[NDArray[Any]]
    optimizer: list[NDArray[Any]]
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Folder:
    """Where one job saves its state.

    Attributes:
        path: The folder, made when the first state is saved.
        fingerprint: Identifies the job: settings, data, device, code and network.
    """

    path: Path
    fingerprint: str

    def save(self, state: State) -> None:
        """Write the state after an epoch and delete all but the newest checkpoints.

        Args:
            state: The state.
        """
        arrays: dict[str, Any] = {f"weights{i}": value for i, value in enumerate(state.weights)}
        arrays |= {f"optimizer{i}": value for i, value in enumerate(state.optimizer)}
        note = json.dumps({"fingerprint": self.fingerprint, "history": state.history})
        with atomic(self.path / f"epoch{len(state.history):04d}.npz") as temporary, temporary.open("wb") as stream:
            np.savez(stream, note=np.array(note), **arrays)
        for path in self._newest_first()[KEPT:]:
            path.unlink()

    def load(self) -> State | None:
        """Return the newest usable state of the same job.

        A checkpoint that is damaged, or of a job with other settings, data, code or network, is ignored with a message.

        Returns:
            The state; None where there is no usable one.
        """
        for path in self._newest_first():
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    note = json.loads(str(arrays["note"]))
                    if note["fingerprint"] != self.fingerprint:
                        say(f"{path}: of a job with other settings, data, code or network; not used")
                        continue
                    return State(_numbered(arrays, "weights"), _numbered(arrays, "optimizer"), note["history"])
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                say(f"{path}: damaged checkpoint ({error}); the one before it is used")
        return None

    def remove(self) -> None:
        """Delete the checkpoints, and the folder if it is then empty."""
        for path in self.path.glob("*epoch*.npz"):
            path.unlink()
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def _newest_first(self) -> list[Path]:
        return sorted(self.path.glob("epoch*.npz"), reverse=True)


def _numbered(arrays: Any, name: str) -> list[NDArray[Any]]:
    """Return the arrays name0, name1, …; each is read completely, which checks its CRC."""
    count = sum(key.startswith(name) for key in arrays.files)
    return [arrays[f"{name}{i}"] for i in range(count)]
