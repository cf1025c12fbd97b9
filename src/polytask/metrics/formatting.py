"""Format numbers for people: shares in percent, their differences in points, other numbers with significant digits."""

from __future__ import annotations

import math

PERCENT_METRICS = frozenset({"accuracy", "precision", "recall", "f1", "entity-f1", "entity-precision", "entity-recall", "token-accuracy"})
METRIC_LABELS = {
    "log-loss": "log loss",
    "auc": "AUC",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "f1": "F1",
    "entity-f1": "F1 of entities",
    "token-accuracy": "accuracy of tokens",
}
MARGINS = "margins"
"""Name of the mean over tasks of difference / margin, where a metric is named."""
NO_VALUE = "–"
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-4, 1e9
SI_PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, ""))


def metric_label(metric: str) -> str:
    """Return the display name of a metric.

    Example:
        >>> metric_label("rmse"), metric_label("accuracy")
        ('RMSE', 'accuracy')
    """
    return METRIC_LABELS.get(metric, metric)


def display_factor(metric: str) -> float:
    """Return the factor by which values of a metric are multiplied for display: 100 for shares, else 1."""
    return 100.0 if metric in PERCENT_METRICS else 1.0


def display_unit(metric: str) -> str:
    """Return the display unit of a difference of this metric, with a leading space: points for shares, margins for means over tasks."""
    return " points" if metric in PERCENT_METRICS else f" {MARGINS}" if metric == MARGINS else ""


def format_metric(metric: str, number: float | None) -> str:
    """Format the value of a metric: shares in percent, others with four significant digits.

    Example:
        >>> format_metric("accuracy", 0.9567), format_metric("rmse", 1234.56), format_metric("rmse", None)
        ('95.7 %', '1,235', '–')
    """
    if number is None or not math.isfinite(number):
        return NO_VALUE
    return f"{100 * number:.1f} %" if metric in PERCENT_METRICS else format_significant(number, 4)


def format_significant(number: float, digits: int) -> str:
    """Format a number with at least `digits` significant digits, without an exponent if that is readable.

    Example:
        >>> format_significant(0.012345, 3), format_significant(123456.7, 3), format_significant(1.5e-9, 3)
        ('0.0123', '123,457', '1.50e-09')
    """
    if number == 0:
        return "0"
    if not SMALLEST_PLAIN <= abs(number) < LARGEST_PLAIN:
        return f"{number:.{digits - 1}e}"
    return f"{number:,.{max(0, digits - 1 - math.floor(math.log10(abs(number))))}f}"


def format_difference(metric: str, number: float | None, spread: float | None = None) -> str:
    """Format a difference with its sign: shares in points with two digits, others with two significant digits of their spread.

    Args:
        metric: Name of the metric.
        number: Difference in the unit of the metric; `None` if unknown.
        spread: Number that determines the digits, such as the half-width of the interval; `None` means the difference itself.

    Example:
        >>> format_difference("accuracy", 0.0041), format_difference("rmse", -0.12345, spread=0.031), format_difference("accuracy", -1e-19)
        ('+0.41', '-0.123', '0.00')
    """
    if number is None or not math.isfinite(number):
        return NO_VALUE
    scaled = display_factor(metric) * number
    digits = 2 if metric in PERCENT_METRICS else _digits(spread or number)
    text = f"{scaled:+,.2e}" if digits is None else f"{scaled:+,.{digits}f}"
    return text if any(letter in "123456789" for letter in text) else text.lstrip("+-")


def _digits(spread: float) -> int | None:
    """Return the number of decimals that shows two significant digits; `None` if an exponent is shorter."""
    if spread == 0 or not math.isfinite(spread):
        return 2
    digits = 1 - math.floor(math.log10(abs(spread)))
    return None if digits > 6 else max(0, digits)


def format_interval(metric: str, bounds: tuple[float | None, float | None] | None) -> str:
    """Format an interval of differences in brackets; empty if there is none.

    The intersection of the intervals of looks that disagree is empty: its lower bound is above its upper one.

    Example:
        >>> format_interval("accuracy", (-0.0021, 0.0103)), format_interval("accuracy", (0.27, 0.02))
        ('[-0.21, +1.03]', '[looks disagree]')
    """
    if bounds is None:
        return ""
    low, high = bounds
    if low is not None and high is not None and low > high:
        return "[looks disagree]"
    spread = half_width(bounds)
    return f"[{', '.join(format_difference(metric, bound, spread) for bound in bounds)}]"


def half_width(bounds: tuple[float | None, float | None] | None) -> float | None:
    """Return half the length of an interval; `None` if a bound is missing."""
    low, high = bounds or (None, None)
    return None if low is None or high is None else abs(high - low) / 2


def format_magnitude(metric: str, number: float | None) -> str:
    """Format the absolute value of a difference, with its unit.

    Example:
        >>> format_magnitude("accuracy", 0.0042), format_magnitude("rmse", 0.0321)
        ('0.42 points', '0.032')
    """
    if number is None or not math.isfinite(number):
        return NO_VALUE
    return f"{format_significant(display_factor(metric) * abs(number), 2)}{display_unit(metric)}"


def format_short_count(number: float | None) -> str:
    """Format a count with three significant digits and an SI prefix.

    Example:
        >>> format_short_count(243860), format_short_count(5056000), format_short_count(812)
        ('244 k', '5.06 M', '812')
    """
    if number is None or not math.isfinite(number):
        return NO_VALUE
    size, prefix = next((pair for pair in SI_PREFIXES if abs(number) >= pair[0]), (1.0, ""))
    return (
        f"{number:.0f}"
        if prefix == ""
        else f"{number / size:.3g}{prefix}"
        if abs(number) < 999.5 * size
        else f"{number / size:.0f}{prefix}"
    )


def format_count(number: float | None) -> str:
    """Format a count in full, with commas.

    Example:
        >>> format_count(12000.0)
        '12,000'
    """
    return NO_VALUE if number is None or not math.isfinite(number) else f"{number:,.0f}"


def number_of(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1.

    Example:
        >>> number_of(1, "arm"), number_of(5, "seed")
        ('1 arm', '5 seeds')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def format_share(number: float | None, whole: float | None) -> str:
    """Format a part of a whole in percent, with two significant digits.

    Example:
        >>> format_share(3.0, 240.0), format_share(0, 240.0), format_share(1.0, None)
        ('1.2 %', '0 %', '')
    """
    share = quotient(number, whole)
    return "" if share is None else f"{format_significant(100 * share, 2)} %"


def format_rounded_up(number: int) -> str:
    """Format a required number, rounded up to two significant digits from 100 on.

    Example:
        >>> format_rounded_up(16), format_rounded_up(7537), format_rounded_up(12000)
        ('16', '7,600', '12,000')
    """
    step = 10 ** max(0, len(str(number)) - 2) if number >= 100 else 1
    return f"{-(-number // step) * step:,}"


def quotient(number: float | None, reference: float | None) -> float | None:
    """Return a quotient; `None` if a number is missing or the reference is 0.

    Example:
        >>> quotient(1.0, 2.0), quotient(1.0, 0.0)
        (0.5, None)
    """
    return None if number is None or not reference else number / reference


def format_measurement(number: float | None) -> str:
    """Format a measured quantity with two significant digits.

    Example:
        >>> format_measurement(19.273), format_measurement(0.512), format_measurement(4321.9)
        ('19', '0.51', '4,322')
    """
    return NO_VALUE if number is None or not math.isfinite(number) else format_significant(number, 2)


def format_bytes(size: float | None) -> str:
    """Format a number of bytes in the largest unit that fits.

    Example:
        >>> format_bytes(503468032)
        '503 MB'
    """
    text = format_short_count(size)
    return text if text == NO_VALUE else f"{text}B" if " " in text else f"{text} B"
