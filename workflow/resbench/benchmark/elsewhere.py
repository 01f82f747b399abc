"""Folders that `resbench measure` wrote, on whichever machine, as parts of a report."""

from pathlib import Path

from resbench.common.errors import ResbenchError


def measured_timings(folder: Path) -> list[tuple[Path, Path]]:
    """Return the samples.csv and host.json of each provider that was measured, by name.

    Args:
        folder: What `resbench measure` wrote.

    Raises:
        ResbenchError: There is none.
    """
    found = sorted(folder.glob("latency/*/samples.csv"))
    if not found:
        raise ResbenchError(f"{folder}: holds no latency/PROVIDER/samples.csv; name a folder of `resbench measure`")
    return [(samples, samples.with_name("host.json")) for samples in found]
