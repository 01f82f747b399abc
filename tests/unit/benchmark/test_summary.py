"""How well rounds repeat: each setting's own rounds, in the columns of host.json."""

from pathlib import Path

import numpy as np
import pytest
from resbench.benchmark.latency_worker import Timing
from resbench.benchmark.plan import TimedSetting
from resbench.benchmark.summary import Measurement, spread, summarize_settings
from resbench.runtime.sessions import Identity


def timing(latencies, *, warmed_up=True):
    fields = dict.fromkeys(Timing._fields, 0) | {"nodes": {"CPUExecutionProvider": 3, "CUDAExecutionProvider": 1}}
    return Timing(**fields | {"latency_ms": latencies, "warmed_up": warmed_up})


def test_each_setting_is_judged_by_its_own_rounds():
    model = Path("m.onnx")
    identities = {model: Identity(**dict.fromkeys(Identity._fields, "") | {"variant": "pool"})}
    steady, restless, cold, once = (TimedSetting(model, 1, threads) for threads in (1, 2, 3, 4))
    measured = [
        Measurement(1, steady, timing([1.0, 2.0, 9.0])),
        Measurement(1, restless, timing([1.0, 2.0, 9.0])),
        Measurement(1, cold, timing([1.0, 2.0, 9.0], warmed_up=False)),
        Measurement(2, steady, timing([0.5, 2.0, 8.0])),
        Measurement(2, restless, timing([1.0, 3.0, 9.0])),
        Measurement(2, cold, timing([1.0, 2.0, 9.0])),
        Measurement(1, once, timing([1.0])),
    ]
    found = {one["threads"]: one for one in summarize_settings(measured, identities, "cpu")}
    assert [(one["warmed_up"], one["stable"]) for one in found.values()] == [
        (True, True),
        (True, False),
        (False, False),
        (True, None),
    ]
    assert (found[1]["median_spread"], found[2]["minimum_spread"], found[4]["median_spread"]) == (0.0, 0.0, None)
    assert found[1]["minimum_spread"] == round(np.log(2) / 2**0.5, 4)  # of two values, the deviation is that of each
    assert (found[1]["variant"], found[1]["provider_share"]) == ("pool", 0.75)


def test_the_spread_is_that_of_logarithms():
    assert spread(np.array([1.0, np.e, np.e**2])) == pytest.approx(1.0)
