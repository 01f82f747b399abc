"""Numbers as they are written for people."""

import math

from resbench.report.format import (
    between,
    change,
    counted,
    decimals,
    p_value,
    points,
    ratio,
    shortened,
    significant,
    small,
    span,
    times,
)


def test_a_range_of_two_equal_texts_is_one_number():
    assert between("1.5", "1.5") == "1.5"
    assert between("1.5", "1.6") == "1.5 – 1.6"
    assert between(points(-0.012), points(0.003), "to") == "−1.20 to 0.30"
    assert between(significant(27.51), significant(27.52)) == "27.5"


def test_a_change_in_percent():
    assert [change(ratio) for ratio in (1.034, 0.97, 0.999)] == ["+3\u00a0%", "−3\u00a0%", "+0\u00a0%"]


def test_a_span_of_numbers():
    assert span([3, math.nan, 3.0]) == "3"
    assert span([50_000, 5_000]) == "5,000 to 50,000"
    assert span([9.9, 10.1]) == "10"
    assert span([math.nan]) == "unknown"
    assert [span(values, "seed") for values in ([1], [1, 3], [math.nan])] == ["1 seed", "1 to 3 seeds", "unknown seeds"]


def test_small_values_are_powers_of_ten():
    assert [small(value) for value in (0, 0.0443, 0.5, 0.001)] == ["0", "0.044", "0.50", "0.0010"]
    assert [small(value) for value in (9e-4, 3.24e-7)] == ["9.0\u00a0×\u00a010⁻⁴", "3.2\u00a0×\u00a010⁻⁷"]


def test_ratios_decimals_and_counts():
    assert [ratio(value) for value in (0.29876, 1.0, 12.345, 0.002314)] == ["0.299", "1.000", "12.3", "0.00231"]
    assert (decimals(4)(0.98823), decimals(0)(12345), decimals(2)(-0.5)) == ("0.9882", "12,345", "−0.50")
    assert [times(value) for value in (1.004, 1.043, 3.217, 12.4)] == ["1.004", "1.04", "3.2", "12"]
    assert [p_value(value) for value in (0.0123, 0.001, 0.0009)] == ["0.012", "0.001", "<\u00a00.001"]
    assert (points(-0.0123), points(-0.00001)) == ("−1.23", "0.00")
    assert (counted(1, "thread"), counted(2.0, "thread")) == ("1 thread", "2 threads")


def test_a_long_label_loses_its_middle():
    assert shortened("bottleneck110") == "bottleneck110"
    long = f"{'w' * 60}_001 int8"
    assert (len(shortened(long)), shortened(long)[-9:], shortened(long)[:3]) == (24, "_001 int8", "www")
