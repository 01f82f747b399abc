"""What the report says of its own rules follows from their constants."""

import pytest
from resbench.data.corruptions import CORRUPTIONS
from resbench.report import prose


def test_margins_and_level_are_those_of_the_statistics(monkeypatch: pytest.MonkeyPatch):
    assert "loses less than 1 point." in prose.describe_rule()
    assert "within ± 1 point, and as fast where that of their ratio lies within 5 %" in prose.describe_verdicts()
    monkeypatch.setattr(prose, "ACCURACY_MARGIN", 0.02)
    monkeypatch.setattr(prose, "LATENCY_MARGIN", 0.1)
    monkeypatch.setattr(prose, "LEVEL", 0.01)
    assert "loses less than 2 points." in prose.describe_rule()
    assert "as fast within 10 %, the smallest." in prose.describe_rule()
    assert "at 99 % confidence" in prose.describe_verdicts()
    assert "within ± 2 points, and as fast where that of their ratio lies within 10 %" in prose.describe_verdicts()
    assert "below 0.01 one is better" in prose.describe_verdicts()


def test_corruptions_are_those_of_the_registry(monkeypatch: pytest.MonkeyPatch):
    assert prose.describe_corruptions() == (
        "Gaussian noise, Gaussian blur, JPEG compression, lower contrast and higher brightness are those of "
        "Hendrycks & Dietterich (2019), applied to the test images."
    )
    few = {name: CORRUPTIONS[name] for name in ("contrast", "brightness")}
    monkeypatch.setattr(prose, "CORRUPTIONS", few)
    assert prose.describe_corruptions().startswith("Lower contrast and higher brightness are ")
