"""Summaries of timings: how well they repeat, what disturbed them, and which provider executed the nodes."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.benchmark.latency_worker import Timing
from resbench.benchmark.plan import TimedSetting
from resbench.runtime.sessions import Identity, provider_share

# Rounds that scatter more are not repeatable enough for two significant digits.
STABLE_SPREAD = 0.05


class Measurement(NamedTuple):
    """What one fresh process measured; rounds count from 1."""

    round: int
    setting: TimedSetting
    timing: Timing


def describe_measurements(measured: list[Measurement], identities: dict[Path, Identity]) -> list[dict[str, Any]]:
    """Return the conditions of each process, in the order of measurement.

    Args:
        measured: The measurements.
        identities: What each model is.

    Returns:
        For each: the setting (`variant, seed, precision, batch_size, threads`), `round`, and of `Timing` all but the
        calls and what is the same for all processes of a setting.
    """
    own = ("time_utc", "warmup_calls", "warmed_up", "steal", "others", "throttled")
    return [
        _describe(one.setting, identities) | {"round": one.round} | {key: getattr(one.timing, key) for key in own}
        for one in measured
    ]


def summarize_settings(
    measured: list[Measurement], identities: dict[Path, Identity], provider: str
) -> list[dict[str, Any]]:
    """Return how well each setting repeated, and where its nodes ran.

    Args:
        measured: The measurements.
        identities: What each model is.
        provider: A name in `PROVIDERS`.

    Returns:
        For each: the setting as above; `median_spread` and `minimum_spread`, see `spread`, of the rounds' medians and
        minima; `warmed_up`, in all rounds; `stable`: warmed up, and the medians' spread is not above STABLE_SPREAD,
        None for one round; `nodes`, by the runtime's names of providers, and `provider_share`, the fraction of them
        that `provider` ran.
    """
    summaries = []
    for setting in dict.fromkeys(one.setting for one in measured):
        timings = [one.timing for one in measured if one.setting == setting]
        medians = spread(np.array([np.median(timing.latency_ms) for timing in timings]))
        minima = spread(np.array([np.min(timing.latency_ms) for timing in timings]))
        warmed_up = all(timing.warmed_up for timing in timings)
        nodes = timings[0].nodes
        summaries.append(
            _describe(setting, identities)
            | {
                "median_spread": medians,
                "minimum_spread": minima,
                "warmed_up": warmed_up,
                "stable": None if medians is None else warmed_up and medians <= STABLE_SPREAD,
                "nodes": nodes,
                "provider_share": provider_share(nodes, provider),
            }
        )
    return summaries


def spread(times: NDArray[np.float64]) -> float | None:
    """Return the relative scatter of times: the standard deviation of their logarithms.

    Args:
        times: Shape (rounds,).

    Returns:
        The deviation; None for one round.
    """
    return round(float(np.std(np.log(times), ddof=1)), 4) if len(times) > 1 else None


def _describe(setting: TimedSetting, identities: dict[Path, Identity]) -> dict[str, Any]:
    identity = identities[setting.model]
    return {
        "variant": identity.variant,
        "seed": identity.seed,
        "precision": identity.precision,
        "batch_size": setting.batch_size,
        "threads": setting.threads,
    }
