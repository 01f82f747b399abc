"""Finished rounds of a measurement, kept so that an interrupted one can continue."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from resbench.benchmark.latency_worker import Timing
from resbench.common.errors import ResbenchError
from resbench.common.files import read_json, write_json

KEY = re.compile("[0-9a-f]{16}")


class Rounds:
    """Finished rounds of a measurement: one file for each in `folder`/KEY.

    KEY stands for everything that two comparable rounds must share. A round counts only when it is complete: its ratios
    between models are valid because they were measured within minutes of each other. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None, conditions: dict[str, Any]) -> None:
        """Choose the folder of these conditions.

        Args:
            folder: Folder for all conditions; None keeps nothing.
            conditions: Models, images, settings and host, as JSON can hold them.
        """
        key = hashlib.sha256(json.dumps(conditions, sort_keys=True).encode()).hexdigest()[:16]
        self.parent = folder
        self.folder = folder / key if folder else None

    def load(self, number: int, measurements: int) -> list[Timing] | None:
        """Return the timings of a finished round.

        Args:
            number: Number of the round, from 1.
            measurements: How many timings it must have.

        Returns:
            The timings in the order they were taken; None where the round is to be measured.
        """
        if self.folder is None or not self._file(number).exists():
            return None
        try:
            content = read_json(self._file(number))
            timings = [Timing(**timing) for timing in content]
        except (ResbenchError, TypeError):
            return None
        return timings if len(timings) == measurements else None

    def save(self, number: int, timings: list[Timing]) -> None:
        """Keep a finished round.

        Args:
            number: Number of the round, from 1.
            timings: Its timings in the order they were taken.
        """
        if self.folder is not None:
            write_json(self._file(number), [timing._asdict() for timing in timings])

    def remove(self) -> None:
        """Delete these rounds, those of other conditions, and folders that are then empty; nothing else."""
        if self.parent is None:
            return
        folders = [path for path in self.parent.glob("*") if KEY.fullmatch(path.name)]
        for path in (file for folder in folders for file in folder.glob("*round*.json")):
            path.unlink()
        for folder in (*folders, self.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _file(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"round{number}.json"
