"""How long latency and scenarios are measured: presets, by name."""

from typing import NamedTuple


class Preset(NamedTuple):
    """How much is measured.

    Attributes:
        rounds: Fresh processes for each setting.
        calls: The fewest timed calls in all of them together.
        seconds: The shortest time in each, s.
    """

    rounds: int
    calls: int
    seconds: float


class Size(NamedTuple):
    """The smallest size of a run.

    Attributes:
        seconds: Its shortest duration, s.
        queries: Its fewest queries; in Offline, images.
    """

    seconds: float
    queries: int


# 46 calls carry a 90th percentile, 482 a 99th (resbench.statistics.latency).
LATENCY_PRESETS = {
    "smoke": Preset(rounds=3, calls=46, seconds=0.2),
    "quick": Preset(rounds=10, calls=46, seconds=1.0),
    "thorough": Preset(rounds=20, calls=482, seconds=3.0),
}

# 64 and 662 queries are the fewest that LoadGen accepts for a 90th and a 99th percentile: with 99 %
# confidence, allowing one beyond it.  600 s and 24,576 are MLPerf's rules for closed submissions.
SMOKE = {"SingleStream": Size(1.0, 64), "Offline": Size(1.0, 64), "Server": Size(1.0, 662)}
SCENARIO_PRESETS = {
    "smoke": SMOKE,
    "mlperf": {"SingleStream": Size(600.0, 64), "Offline": Size(600.0, 24_576), "Server": Size(600.0, 662)},
}
