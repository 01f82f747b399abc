"""The execution providers that a configuration asks for, without those that this machine does not have."""

from importlib.util import find_spec
from typing import Any

from resbench.common.errors import installing
from resbench.common.modules import run_module
from resbench.config.model import option_text
from resbench.runtime.providers import PROVIDERS


def choose_providers(benchmark: dict[str, Any]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return the execution providers to measure.

    With `skip_unavailable`, those that this machine does not have are left out; each is tried in a process of its own,
    so that none keeps a GPU.

    Args:
        benchmark: The section `benchmark` of a checked configuration.

    Returns:
        The options of each provider, as texts; and a line for each provider that is left out.
    """
    chosen: dict[str, dict[str, str]] = {}
    skipped = []
    for entry in benchmark["providers"]:
        name, options = (entry, {}) if isinstance(entry, str) else (entry["name"], entry.get("options", {}))
        reason = _unavailable(name) if benchmark["skip_unavailable"] else ""
        if reason:
            skipped.append(f"{name} was left out: {reason}")
        else:
            chosen[name] = {key: option_text(value) for key, value in options.items()}
    return chosen, skipped


def missing_here(benchmark: dict[str, Any]) -> list[str]:
    """Return what this machine lacks for the measurements that a configuration asks for.

    Args:
        benchmark: The section `benchmark` of a checked configuration.

    Returns:
        A line for each key that cannot be done here.
    """
    lines = []
    for entry in [] if benchmark["skip_unavailable"] else benchmark["providers"]:
        name = entry if isinstance(entry, str) else entry["name"]
        if reason := _unavailable(name):
            lines.append(f"config: benchmark.providers: {name}: {reason}")
    if benchmark["scenarios"] and not find_spec("mlperf_loadgen"):
        lines.append(f"config: benchmark.scenarios: LoadGen is not installed; {installing('scenarios')}")
    return lines


def _unavailable(provider: str) -> str:
    """Return why a model cannot run on the provider; empty where it can."""
    return run_module("resbench.runtime.probe", provider).message if PROVIDERS[provider].extra else ""
