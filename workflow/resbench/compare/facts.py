"""The facts about a run that are compared: its data, configuration, code and environment."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from resbench.compare.run import Run
from resbench.runtime.providers import PROVIDERS

TRAINING = ["protocol", "epochs", "batch_size", "limit", "validation", "train_images", "xla", "mixed_precision"]
TRAINED_ON = ["device", "threads", "tensorflow"]
TIMING = ["preset", "rounds", "images", "provider_options"]
# The machine: latencies are not judged where these differ.
HARDWARE = ["processor", "cores_available", "cgroup_cpu_quota", "smt", "gpus"]
# The runtime: latencies are judged where these differ only on request.
VERSIONS = ["runtime", "runtime_version", "cuda", "provider_options"]
# Of these, what only providers that run on a GPU depend on.
OF_GPU = frozenset({"gpus", "cuda"})
SYSTEM = ["memory_gb", "governor", "kernel", "os", "python"]


class Difference(NamedTuple):
    """A fact in which two runs differ.

    Attributes:
        section: What it is about: data, configuration, code or environment.
        name: Its name.
        old, new: Its value in each run; empty where the run does not record it.
    """

    section: str
    name: str
    old: str
    new: str


Facts = dict[tuple[str, str], str]


def differences(old: Run, new: Run) -> tuple[list[Difference], int]:
    """Return the facts in which two runs differ, and the number of facts in which they do not.

    Args:
        old: The old run.
        new: The new run.

    Returns:
        The facts that differ, in order, and the number of those that do not.
    """
    one, other = dict(facts(old)), dict(facts(new))
    names = list(dict.fromkeys([*one, *other]))
    found = [Difference(*name, one.get(name, ""), other.get(name, "")) for name in names]
    differing = [fact for fact in found if fact.old != fact.new]
    return differing, len(found) - len(differing)


def facts(run: Run) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield every fact that is recorded of a run, as (section, name) and text.

    Args:
        run: The run.

    Yields:
        (section, name), and the fact as text.
    """
    for name in ("sha256", "layout", "train_images", "test_images"):
        yield ("data", name), _text(run.summary.get(name))
    yield ("configuration", "variants"), ", ".join(dict.fromkeys(model.variant for model in run.digests))
    yield ("configuration", "seeds"), ", ".join(sorted({model.seed for model in run.digests}))
    yield ("configuration", "precisions"), ", ".join(sorted({model.precision for model in run.digests}))
    yield ("configuration", "providers"), ", ".join(sorted({key[2] for key in run.hits}))
    for name in TRAINING:
        yield ("configuration", f"training.{name}"), _of_variants(run, name)
    yield ("configuration", "quantization"), "; ".join(run.calibrations)
    for provider, host in run.hosts.items():
        for name in TIMING:
            yield ("configuration", f"latency.{name} ({provider})"), _text(host.get(name))
        timed = [key[3:] for key in run.minima if key[2] == provider]
        for name, values in zip(("batch_sizes", "threads"), zip(*timed, strict=True), strict=False):
            yield ("configuration", f"latency.{name} ({provider})"), ", ".join(map(str, sorted(set(values))))
    yield ("code", "resbench"), _of_variants(run, "resbench")
    yield ("code", "commit of the exports"), _commits(parity.get("git") for parity in run.parity.values())
    yield ("code", "commit of the timing"), _commits(host.get("git") for host in run.hosts.values())
    for name in TRAINED_ON:
        yield ("environment", f"training: {name}"), _of_variants(run, name)
    for provider, host in run.hosts.items():
        for name in [*HARDWARE, *VERSIONS[:-1], *SYSTEM]:
            yield ("environment", f"{provider}: {name}"), _text(host.get(name))
        packages = host.get("packages")
        for package, version in sorted(packages.items()) if isinstance(packages, dict) else ():
            yield ("environment", f"{provider}: {package}"), _text(version)


def unlike(provider: str, old: Mapping[str, Any], new: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return the names of the facts in which two hosts differ.

    GPUs are compared where the provider runs on one, by name and driver.

    Args:
        provider: Name of the provider that was timed on them.
        old: The old run's host, as in host.json.
        new: The new run's host.
        names: Names of the facts to compare.

    Returns:
        Those that differ.
    """
    record = PROVIDERS.get(provider)
    ignored = OF_GPU if record and not record.needs_gpu else ()
    return [name for name in names if name not in ignored and _steady(old.get(name)) != _steady(new.get(name))]


def _steady(value: Any) -> Any:
    """Return a fact without the parts that change from moment to moment, such as a GPU's clocks."""
    if isinstance(value, list):
        return [{key: gpu.get(key) for key in ("name", "driver")} if isinstance(gpu, dict) else gpu for gpu in value]
    return value


def _of_variants(run: Run, name: str) -> str:
    """Return a fact of the trainings: one text where all trainings share it, otherwise one for each variant."""
    found: dict[str, list[str]] = {}
    for (variant, _), parity in run.parity.items():
        texts = found.setdefault(variant, [])
        if (text := _text(parity.get(name))) not in texts:
            texts.append(text)
    shared = {text for texts in found.values() for text in texts}
    if len(shared) <= 1:
        return "".join(shared)
    return "; ".join(f"{variant}: {' or '.join(texts)}" for variant, texts in found.items())


def _commits(states: Iterable[Any]) -> str:
    found = [
        f"{str(state.get('commit'))[:12]}{' with changes' if state.get('dirty') else ''}"
        for state in states
        if isinstance(state, dict)
    ]
    return ", ".join(dict.fromkeys(found))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(part)}" for key, part in sorted(value.items()))
    if isinstance(value, list):
        return "; ".join(_text(part) for part in _steady(value))
    return str(value)
