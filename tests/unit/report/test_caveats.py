"""What nobody may overlook."""

import pandas as pd
import pytest
from resbench.report.caveats import caveats

SOUND = {"dataset": "CIFAR-10", "protocol": "notebook", "train_images": 50_000, "epochs": 10, "seeds": 3}
SOUND |= {"provider": "cpu", "host": "h", "accuracy_mean": 0.7}


def titles(hosts=({"name": "h"},), departure=None, summary=None, **changes):
    comparisons = pd.DataFrame({"first": ["pool", "pool"], "verdict": ["better", "undecided"]})
    if departure:
        comparisons.loc[1, ["verdict", "reason", "actual", "required"]] = "not_comparable", *departure
    return [(c.title, c.grave) for c in caveats(pd.DataFrame([SOUND | changes]), comparisons, hosts, summary or {})]


def test_a_sound_run_has_none():
    assert titles() == []
    assert titles(epochs=165, protocol="he2015") == []  # longer is not shortened
    assert titles(epochs=3, protocol="my_own") == []  # nobody knows what its full run is
    assert titles(hosts=[{"name": "h", "stable": True, "warnings": [], "git": {"dirty": False}}]) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dataset": "handwritten digits (scikit-learn), not CIFAR-10"}, [("Not CIFAR-10", True)]),
        ({"dataset": "CIFAR-100"}, [("Not CIFAR-10", True)]),
        ({"train_images": 5000}, [("Shortened training", True)]),
        ({"epochs": 9}, [("Shortened training", True)]),
        ({"epochs": 10, "protocol": "he2015"}, [("Shortened training", True)]),
        ({"departure": ("batch_size", "8", "32")}, [("Published values are not comparable", True)]),
        ({"departure": ("epochs", "9", "10"), "epochs": 9}, [("Shortened training", True)]),
        ({"summary": {"test_images_in_train": 3, "test_images": 1000}}, [("Test images in the training data", True)]),
        ({"summary": {"test_images_in_train": 0, "test_images": 1000}}, []),
        ({"summary": {"test_images_in_train": "3", "test_images": None}}, []),
        ({"seeds": 1}, [("One seed", False)]),
        ({"seeds": 2}, [("2 seeds", False)]),
        ({"hosts": [{"name": "h", "stable": False}]}, [("Unstable timing on h", True)]),
        (
            {"hosts": [{"name": "h", "environment": f"h, {runtime}", "stable": False} for runtime in ("a", "b")]},
            [("Unstable timing on h, a", True), ("Unstable timing on h, b", True)],
        ),
        ({"hosts": [{"name": "h", "warnings": ["busy"]}]}, [("Timing on h", False)]),
        ({"hosts": [{"name": "h"}, {"name": "g"}]}, [("Several hosts or devices", False)]),
        ({"hosts": [{"name": "h", "git": {"dirty": True}}]}, [("Uncommitted code", False)]),
        ({"hosts": [{"name": "h", "warnings": "not a list", "git": "nor this"}]}, []),
    ],
)
def test_each_departure_is_named(changes, expected):
    assert titles(**changes) == expected


def test_runs_by_several_protocols_are_each_held_against_their_own():
    rows = [SOUND, SOUND | {"protocol": "he2015", "epochs": 16}]
    (caveat,) = caveats(pd.DataFrame(rows), pd.DataFrame({"first": [], "verdict": []}), [], {})
    assert "16 epochs; the full run of he2015 is 50,000 for 164. " in caveat.text


def test_what_some_rows_lack_is_not_said_of_all():
    """One variant has one seed and was not evaluated with OpenVINO; another has three and was."""
    rows = [SOUND | {"seeds": seeds, "provider": provider} for seeds in (1, 3) for provider in ("cpu", "openvino")]
    rows[1]["accuracy_mean"] = None
    (caveat,) = caveats(pd.DataFrame(rows), pd.DataFrame({"first": [], "verdict": []}), [], {})
    assert caveat.title == "One seed"
    assert caveat.text.startswith("Some variants were trained once. How much their accuracy varies")
