"""Checkpoints: the state of a training job after each epoch, from which a killed job continues."""

import json
import re
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.common.files import atomic
from resbench.common.progress import say

KEPT = 2  # where the newest is damaged, the one before it is used
CHECKPOINT = re.compile(r"epoch(\d{4,})\.npz")
UNFINISHED = re.compile(r"\.epoch\d{4,}\.\w+\.npz")  # of a job that was killed while it wrote one


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
        fingerprint: Identifies the job: settings, data, code and network.
    """

    path: Path
    fingerprint: str

    def save(self, state: State) -> None:
        """Write the state after an epoch and delete all but the newest checkpoints up to this epoch.

        Later ones, which another job left here, are kept: they must not take the place of this job's.

        Args:
            state: The state.
        """
        arrays: dict[str, Any] = {f"weights{i}": value for i, value in enumerate(state.weights)}
        arrays |= {f"optimizer{i}": value for i, value in enumerate(state.optimizer)}
        note = json.dumps({"fingerprint": self.fingerprint, "history": state.history})
        epoch = len(state.history)
        with atomic(self.path / f"epoch{epoch:04d}.npz") as temporary, temporary.open("wb") as stream:
            np.savez(stream, note=np.array(note), **arrays)
        for path in self._newest_first(epoch)[KEPT:]:
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
        """Delete the checkpoints, finished or not, and the folder if it is then empty."""
        for path in self.path.glob("*.npz"):
            if CHECKPOINT.fullmatch(path.name) or UNFINISHED.fullmatch(path.name):
                path.unlink()
        with suppress(OSError):  # there is none, it holds other files, or it is the working directory
            self.path.rmdir()

    def _newest_first(self, last: int | None = None) -> list[Path]:
        """Return the checkpoints up to an epoch, or all, by their epoch."""
        names = ((CHECKPOINT.fullmatch(path.name), path) for path in self.path.glob("*.npz"))
        epochs = {path: int(name[1]) for name, path in names if name}
        chosen = (path for path, epoch in epochs.items() if last is None or epoch <= last)
        return sorted(chosen, key=epochs.__getitem__, reverse=True)


def _numbered(arrays: Any, name: str) -> list[NDArray[Any]]:
    """Return the arrays name0, name1, …; each is read completely, which checks its CRC."""
    count = sum(key.startswith(name) for key in arrays.files)
    return [arrays[f"{name}{i}"] for i in range(count)]
