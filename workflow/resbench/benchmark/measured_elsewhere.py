"""Folders that `resbench measure` wrote on other machines, as parts of a report."""

from pathlib import Path

from resbench.common.errors import ResbenchError


def measured_timings(folder: Path) -> list[tuple[Path, Path]]:
    """Return the samples.csv and host.json of each provider that was measured on another machine.

    Args:
        folder: What `resbench measure` wrote.

    Returns:
        Pairs of paths, sorted by the provider's name.

    Raises:
        ResbenchError: The folder has none.
    """
    samples = sorted(folder.glob("latency/*/samples.csv"))
    if not samples:
        raise ResbenchError(f"{folder}: holds no latency/PROVIDER/samples.csv; name a folder of `resbench measure`")
    return [(path, path.with_name("host.json")) for path in samples]
