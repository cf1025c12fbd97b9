"""Names and numbers as people read them."""

from __future__ import annotations

import math
import unicodedata

IN_PERCENT = ("accuracy", "precision", "recall", "f1", "auc")
UNITS = (("G", 1e9), ("M", 1e6), ("k", 1e3))


def clean_text(text: object) -> str:
    """A name from data without control characters, terminal escapes and marks that change the direction of writing.

    Example:
        >>> clean_text("di\\x1b[31mgit\\u202e")
        'di[31mgit'
    """
    return "".join(letter for letter in str(text) if unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))


def value_text(metric: str, value: float | None) -> str:
    """A metric's value: shares in percent, others with four digits.

    Example:
        >>> value_text("accuracy", 0.95712), value_text("rmse", 12.3456)
        ('95.71 %', '12.35')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.2f} %" if metric in IN_PERCENT else f"{value:.4g}"


def change_text(metric: str, value: float | None, *, unit: bool = True) -> str:
    """A difference, with its sign: of shares in points.

    Example:
        >>> change_text("accuracy", -0.0024), change_text("rmse", 0.5)
        ('-0.24 points', '+0.5')
    """
    if value is None or math.isnan(value):
        return "–"
    if metric in IN_PERCENT:
        points = round(100 * value, 2) + 0.0  # no negative zero
        return f"{points:+.2f}" + (" points" if unit else "")
    return f"{value + 0.0:+.3g}"


def interval_text(metric: str, interval: list[float] | None) -> str:
    """An interval of differences.

    Example:
        >>> interval_text("accuracy", [-0.01, 0.02])
        '-1.00 to +2.00'
    """
    if not interval:
        return "–"
    low, high = (change_text(metric, bound, unit=False) for bound in interval)
    return f"{low} to {high}"


def settle_text(metric: str, settle: dict[str, float | None] | None) -> str:
    """What would settle an unclear verdict.

    Example:
        >>> settle_text("accuracy", {"seeds": 9, "rows": None, "smallest_effect": 0.004})
        'about 9 seeds would tell; this study could have seen 0.40 points'
    """
    if not settle:
        return ""
    ways = [f"about {settle[name]:,} {what}" for name, what in (("seeds", "seeds"), ("rows", "test rows")) if settle.get(name)]
    effect = settle.get("smallest_effect")
    seen = "" if effect is None else f"this study could have seen {change_text(metric, effect).lstrip('+')}"
    return "; ".join(part for part in (f"{' or '.join(ways)} would tell" if ways else "", seen) if part)


def count_text(number: float) -> str:
    """A large number in three digits.

    Example:
        >>> count_text(225044), count_text(5056000), count_text(12)
        ('225 k', '5.06 M', '12')
    """
    for letter, size in UNITS:
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g}"
