"""Formats of numbers on the page, in report.md and on the card: one for each kind, with a true minus sign."""

import math
from collections.abc import Callable, Iterable

MINUS = "−"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NBSP = "\u00a0"  # keeps a number and its unit on one line


def percent(fraction: float) -> str:
    """Return a fraction in percent without its unit, which the heading has: 0.73069 → 73.07.

    Args:
        fraction: The fraction.

    Returns:
        The text.
    """
    return f"{100 * fraction:.2f}"


def points(fraction: float) -> str:
    """Return a difference of accuracies in percentage points: -0.0123 → −1.23.

    Args:
        fraction: The difference, a fraction.

    Returns:
        The text.
    """
    return _signed(f"{round(100 * fraction, 2) + 0.0:.2f}")  # 0.0: no minus before a rounded zero


def with_unit(number: str, unit: str) -> str:
    """Return a number with its unit, which no line break separates.

    Args:
        number: The number as text.
        unit: The unit.

    Returns:
        The text.
    """
    return f"{number}{NBSP}{unit}"


def times(ratio: float) -> str:
    """Return a ratio: 3.217 → 3.2, 12.4 → 12, 1.043 → 1.04, 1.004 → 1.004.

    Args:
        ratio: The ratio.

    Returns:
        The text.
    """
    digits = 3 if ratio < 1.01 else 2 if ratio < 1.1 else 1 if ratio < 10 else 0
    return f"{ratio:.{digits}f}"


def ratio(value: float) -> str:
    """Return a ratio to be compared with 1 and with its interval: 0.8731 → 0.873, 12.345 → 12.3, 0.00231 → 0.00231.

    Args:
        value: The ratio.

    Returns:
        The text.
    """
    return f"{value:.3f}" if 0.1 <= value < 10 else significant(value)


def decimals(number: int) -> Callable[[float], str]:
    """Return the function that writes a value with a fixed number of decimals: with 4, 0.98823 → 0.9882.

    Args:
        number: How many decimals.

    Returns:
        The function.
    """
    return lambda value: _signed(f"{value:,.{number}f}")


def small(value: float) -> str:
    """Return a value that may be very small, with two digits: 0.0443 → 0.044, 3.2e-07 → 3.2 × 10⁻⁷.

    Args:
        value: The value.

    Returns:
        The text.
    """
    if value == 0 or value >= 1e-3:
        return significant(value, 2)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}{NBSP}×{NBSP}10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def shortened(text: str, letters: int = 24) -> str:
    """Return a label that fits: a long one loses its middle, since names with the same beginning often end differently.

    Args:
        text: The label.
        letters: The most characters.

    Returns:
        The label.
    """
    return text if len(text) <= letters else f"{text[: letters // 2 - 1]}…{text[-letters // 2 :]}"


def counted(number: float, noun: str) -> str:
    """Return a number with its noun: (1, "thread") → 1 thread; (2, "thread") → 2 threads.

    Args:
        number: The number.
        noun: The noun in the singular, whose plural ends in s.

    Returns:
        The text.
    """
    return _with_noun(f"{number:,.0f}", noun)


def sentence(parts: Iterable[str]) -> str:
    """Return parts as one sentence: ["slow", "busy"] → Slow; busy.

    Args:
        parts: The parts, the first without a capital.

    Returns:
        The sentence.
    """
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def p_value(p: float) -> str:
    """Return a p-value: 0.0123 → 0.012; anything below 0.001 → < 0.001.

    Args:
        p: The p-value.

    Returns:
        The text.
    """
    return f"<{NBSP}0.001" if p < 0.001 else f"{p:.3f}"


def change(ratio: float) -> str:
    """Return by how much one number differs from another: 1.034 → +3 %, 0.97 → −3 %.

    Args:
        ratio: Ratio of the two.

    Returns:
        The text.
    """
    return with_unit(_signed(f"{round(100 * (ratio - 1)):+d}"), "%")


def significant(value: float, digits: int = 3) -> str:
    """Return a value rounded to significant digits, without an exponent, with thousands separated.

    Args:
        value: The value.
        digits: How many digits.

    Returns:
        The text.
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return _signed(f"{value:,.{decimals}f}")


def between(low: str, high: str, link: str = "–") -> str:
    """Return a range of two numbers; one number where both are written the same: 1.5, or 1.5 – 1.6.

    Args:
        low: The lower number as text.
        high: The higher number as text.
        link: What stands between them.

    Returns:
        The text.
    """
    return low if low == high else f"{low} {link} {high}"


def span(values: Iterable[float], noun: str = "") -> str:
    """Return the range of some numbers: 5,000 to 50,000 images, or the number that all are equal to.

    Args:
        values: The numbers; NaN is left out.
        noun: The noun in the singular, as in `counted`; empty for the numbers alone.

    Returns:
        The text, with `unknown` where there is no number.
    """
    known = [value for value in values if not math.isnan(value)]
    text = between(f"{min(known):,.0f}", f"{max(known):,.0f}", "to") if known else "unknown"
    return _with_noun(text, noun) if noun else text


def _with_noun(text: str, noun: str) -> str:
    return f"{text} {noun if text == '1' else f'{noun}s'}"


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
