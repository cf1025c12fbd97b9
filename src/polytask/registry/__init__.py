"""One frozen row per component: its name, where it lives, what it needs and who invented it.

Rows hold dotted strings that are resolved on demand, so that `polytask methods` and the nearest-name hints need no
torch. Help texts, tables in the docs and files that name a component are all printed from, or looked up in, these rows.
"""

from polytask.registry.rows import Range, Row, all_rows, find, names, rows_of

__all__ = ["Range", "Row", "all_rows", "find", "names", "rows_of"]
