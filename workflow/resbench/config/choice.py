"""The execution providers that a configuration asks for, less those that this machine does not have."""

import os
import subprocess
import sys
from typing import Any

from resbench.config.model import option_text
from resbench.runtime.providers import PROVIDERS


def choose_providers(benchmark: dict[str, Any]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The execution providers to measure, each with its options as texts, and a line for each that is left out.

    With `skip_unavailable`, those are left out that this machine cannot have; each is tried in a
    process of its own, so that none holds on to a GPU.
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


def _unavailable(provider: str) -> str:
    """Why a model cannot run there; empty where it can."""
    if not PROVIDERS[provider].extra:
        return ""
    command = [sys.executable, "-m", "resbench.runtime.probe", provider]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    probe = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    said = probe.stderr.strip().splitlines() or [f"trying it ended with status {probe.returncode}"]
    return said[-1] if probe.returncode else ""
