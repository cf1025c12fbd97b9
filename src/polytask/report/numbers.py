"""Numbers as people read them: shares in percent, their differences in points, everything else with digits that mean something."""

from __future__ import annotations

import math

SHARES = frozenset({"accuracy", "precision", "recall", "f1", "entity-f1", "entity-precision", "entity-recall", "token-accuracy"})
NAMES = {
    "log-loss": "log loss",
    "auc": "AUC",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "f1": "F1",
    "entity-f1": "F1 of entities",
    "token-accuracy": "accuracy of tokens",
}
NOTHING = "–"
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-4, 1e9
PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, ""))


def metric_name(metric: str) -> str:
    """A metric's name as people write it.

    Example:
        >>> metric_name("rmse"), metric_name("accuracy")
        ('RMSE', 'accuracy')
    """
    return NAMES.get(metric, metric)


def factor(metric: str) -> float:
    """What a metric's values are multiplied with to be shown: 100 for shares."""
    return 100.0 if metric in SHARES else 1.0


def unit(metric: str) -> str:
    """The unit of a difference of this metric, with a space before it; empty where it is the metric's own."""
    return " points" if metric in SHARES else ""


def value(metric: str, number: float | None) -> str:
    """A metric's value: shares in percent, others with four significant digits.

    Example:
        >>> value("accuracy", 0.9567), value("rmse", 1234.56), value("rmse", None)
        ('95.7 %', '1,235', '–')
    """
    if number is None or not math.isfinite(number):
        return NOTHING
    return f"{100 * number:.1f} %" if metric in SHARES else significant(number, 4)


def significant(number: float, digits: int) -> str:
    """A number with at least so many significant digits, without an exponent where that can be read.

    Example:
        >>> significant(0.012345, 3), significant(123456.7, 3), significant(1.5e-9, 3)
        ('0.0123', '123,457', '1.50e-09')
    """
    if number == 0:
        return "0"
    if not SMALLEST_PLAIN <= abs(number) < LARGEST_PLAIN:
        return f"{number:.{digits - 1}e}"
    return f"{number:,.{max(0, digits - 1 - math.floor(math.log10(abs(number))))}f}"


def change(metric: str, number: float | None, spread: float | None = None) -> str:
    """A difference with its sign: shares in points with two digits, others with two significant digits of their spread.

    Args:
        metric: The metric's name.
        number: The difference, in the metric's unit.
        spread: What the digits are chosen by (the half-width of the interval, say); the difference itself by default.

    Example:
        >>> change("accuracy", 0.0041), change("rmse", -0.12345, spread=0.031), change("accuracy", -1e-19)
        ('+0.41', '-0.123', '0.00')
    """
    if number is None or not math.isfinite(number):
        return NOTHING
    scaled = factor(metric) * number
    digits = 2 if metric in SHARES else _digits(spread or number)
    text = f"{scaled:+,.2e}" if digits is None else f"{scaled:+,.{digits}f}"
    return text if any(letter in "123456789" for letter in text) else text.lstrip("+-")


def _digits(spread: float) -> int | None:
    """Digits behind the point that show two significant ones; None where an exponent is shorter."""
    if spread == 0 or not math.isfinite(spread):
        return 2
    digits = 1 - math.floor(math.log10(abs(spread)))
    return None if digits > 6 else max(0, digits)


def interval(metric: str, bounds: tuple[float | None, float | None] | None) -> str:
    """An interval of differences in brackets; empty where there is none.

    Example:
        >>> interval("accuracy", (-0.0021, 0.0103))
        '[-0.21, +1.03]'
    """
    if bounds is None:
        return ""
    spread = half_width(bounds)
    return f"[{', '.join(change(metric, bound, spread) for bound in bounds)}]"


def half_width(bounds: tuple[float | None, float | None] | None) -> float | None:
    """Half the length of an interval; None where it has none."""
    low, high = bounds or (None, None)
    return None if low is None or high is None else abs(high - low) / 2


def amount(metric: str, number: float | None) -> str:
    """A size without a sign, with its unit.

    Example:
        >>> amount("accuracy", 0.0042), amount("rmse", 0.0321)
        ('0.42 points', '0.032')
    """
    if number is None or not math.isfinite(number):
        return NOTHING
    return f"{significant(factor(metric) * abs(number), 2)}{unit(metric)}"


def short(number: float | None) -> str:
    """A count with a prefix for thousands, millions, ...

    Example:
        >>> short(243860), short(5056000), short(812)
        ('244 k', '5.06 M', '812')
    """
    if number is None or not math.isfinite(number):
        return NOTHING
    size, prefix = next((pair for pair in PREFIXES if abs(number) >= pair[0]), (1.0, ""))
    return (
        f"{number:.0f}"
        if prefix == ""
        else f"{number / size:.3g}{prefix}"
        if abs(number) < 999.5 * size
        else f"{number / size:.0f}{prefix}"
    )


def count(number: float | None) -> str:
    """A count in full, with commas.

    Example:
        >>> count(12000.0)
        '12,000'
    """
    return NOTHING if number is None or not math.isfinite(number) else f"{number:,.0f}"


def about(number: int) -> str:
    """A needed number: up to two significant digits from 100 on, since nobody needs the last row.

    Example:
        >>> about(16), about(7537), about(12000)
        ('16', '7,600', '12,000')
    """
    step = 10 ** max(0, len(str(number)) - 2) if number >= 100 else 1
    return f"{-(-number // step) * step:,}"


def ratio(number: float | None, reference: float | None) -> float | None:
    """A quotient; None where there is none.

    Example:
        >>> ratio(1.0, 2.0), ratio(1.0, 0.0)
        (0.5, None)
    """
    return None if number is None or not reference else number / reference


def measured(number: float | None) -> str:
    """A measured quantity, with as many digits as mean something.

    Example:
        >>> measured(19.273), measured(0.512), measured(4321.9)
        ('19', '0.51', '4,322')
    """
    return NOTHING if number is None or not math.isfinite(number) else significant(number, 2)


def memory(size: float | None) -> str:
    """Bytes in the largest unit that fits.

    Example:
        >>> memory(503468032)
        '503 MB'
    """
    text = short(size)
    return text if text == NOTHING else f"{text}B" if " " in text else f"{text} B"
