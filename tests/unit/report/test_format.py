"""Numbers as they are written for people."""

import math

from resbench.report.format import between, change, points, significant, span


def test_a_range_is_said_once_where_both_ends_are_written_alike():
    assert between("1.5", "1.5") == "1.5"
    assert between("1.5", "1.6") == "1.5 – 1.6"
    assert between(points(-0.012), points(0.003), "to") == "−1.20 to 0.30"
    assert between(significant(27.51), significant(27.52)) == "27.5"


def test_a_change_in_whole_percent():
    assert [change(ratio) for ratio in (1.034, 0.97, 0.999)] == ["+3\u00a0%", "−3\u00a0%", "+0\u00a0%"]


def test_a_span_of_numbers():
    assert span([3, math.nan, 3.0]) == "3"
    assert span([50_000, 5_000]) == "5,000 to 50,000"
    assert span([9.9, 10.1]) == "10"
    assert span([math.nan]) == "unknown"
