"""Numbers as the page writes them: no digit that was not measured, a true minus sign, one way for each kind."""

import math
from collections.abc import Callable, Iterable

MINUS = "−"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NBSP = "\u00a0"  # so that a number and its unit stay on one line


def percent(fraction: float) -> str:
    """0.73069 → 73.07; its unit stands in the heading."""
    return f"{100 * fraction:.2f}"


def points(fraction: float) -> str:
    """A difference of accuracies, in percentage points: -0.0123 → −1.23."""
    return _signed(f"{round(100 * fraction, 2) + 0.0:.2f}")  # 0.0: no minus before a rounded zero


def with_unit(number: str, unit: str) -> str:
    """Unbreakable."""
    return f"{number}{NBSP}{unit}"


def times(ratio: float) -> str:
    """A ratio: 3.217 → 3.2, 12.4 → 12, 1.043 → 1.04, 1.004 → 1.004."""
    digits = 3 if ratio < 1.01 else 2 if ratio < 1.1 else 1 if ratio < 10 else 0
    return f"{ratio:.{digits}f}"


def ratio(value: float) -> str:
    """Return a ratio to be read against 1 and against its interval: 0.8731 → 0.873, 12.345 → 12.3."""
    return f"{value:.3f}" if value < 10 else significant(value)


def decimals(number: int) -> Callable[[float], str]:
    """Return the function that writes a value with so many decimals: with 4, 0.98823 → 0.9882."""
    return lambda value: _signed(f"{value:,.{number}f}")


def small(value: float) -> str:
    """Return a value that may be tiny, with two digits: 0.0443 → 0.044, 3.2e-07 → 3.2 × 10⁻⁷."""
    if value == 0 or value >= 1e-3:
        return significant(value, 2)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}{NBSP}×{NBSP}10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def shortened(text: str, letters: int = 24) -> str:
    """Return a label that fits: a longer one loses its middle, since names that begin alike often end differently."""
    return text if len(text) <= letters else f"{text[: letters // 2 - 1]}…{text[-letters // 2 :]}"


def counted(number: float, one: str, several: str = "") -> str:
    """Return a number with its noun: (1, "thread") → 1 thread; (2, "thread") → 2 threads."""
    return f"{number:,.0f} {one if number == 1 else several or f'{one}s'}"


def p_value(p: float) -> str:
    """0.0123 → 0.012; smaller ones than 0.001 are not told apart."""
    return f"<{NBSP}0.001" if p < 0.001 else f"{p:.3f}"


def change(ratio: float) -> str:
    """How far one number is from another, by their ratio: 1.034 → +3 %, 0.97 → −3 %."""
    return with_unit(_signed(f"{round(100 * (ratio - 1)):+d}"), "%")


def significant(value: float, digits: int = 3) -> str:
    """`value` rounded to so many significant digits, without an exponent, with thousands set apart."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return _signed(f"{value:,.{decimals}f}")


def between(low: str, high: str, link: str = "–") -> str:
    """A range of two numbers as they are written, said once where both are written alike: 1.5, or 1.5 – 1.6."""
    return low if low == high else f"{low} {link} {high}"


def span(values: Iterable[float]) -> str:
    """The one number that all share, or the range: 5,000 to 50,000.  NaN is left out."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "unknown"
    low, high = min(known), max(known)
    return between(f"{low:,.0f}", f"{high:,.0f}", "to")


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
