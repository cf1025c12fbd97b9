"""Tables as CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import re

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Beginning of a text that a spreadsheet would evaluate, or that was escaped because of that."""


def csv_text(table: pd.DataFrame) -> str:
    r"""Return a table as CSV without its index; texts and column names that a spreadsheet would evaluate get an apostrophe in front.

    Example:
        >>> csv_text(pd.DataFrame({"=name": ["=1+1", "plain"], "value": [-1.0, 2.0]}))
        "'=name,value\n'=1+1,-1.0\nplain,2.0\n"
    """
    guarded = table.rename(columns=escaped_cell).map(escaped_cell)
    texts = [*guarded.columns, *guarded.select_dtypes(exclude="number").to_numpy().ravel()]
    # pandas leaves a carriage return unquoted, which readers take for the end of the row.
    returns = any(isinstance(text, str) and "\r" in text for text in texts)
    return guarded.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL)


def escaped_cell(cell: object) -> object:
    """Return a cell with an apostrophe in front if it is a text that a spreadsheet would evaluate.

    Example:
        >>> escaped_cell("=1+1"), escaped_cell("plain"), escaped_cell(-1.0)
        ("'=1+1", 'plain', -1.0)
    """
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    """Return the text that `csv_text` wrote as this cell.

    Example:
        >>> unescaped("'=1+1"), unescaped("it's"), unescaped("'quoted'")
        ('=1+1', "it's", "'quoted'")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
