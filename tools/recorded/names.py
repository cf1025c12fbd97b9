"""Map current names back to those under which values were recorded.

`keys.csv` has a row `scope,old,new` for every name that has changed since:

* `tensor`: keys of state dicts;
* `key`: names of files, of columns and of JSON keys;
* `word`: words in cells and in JSON, such as arms, metrics and the names of numbers in a history. JSON keys are words too.

A name is split at its dots, and every longest run of parts that is in the column `new` is replaced by the entry in `old`. So a row
may replace a whole name, one part, or several parts at once: `tensor,architecture.encoder,trunk` maps `trunk.0.weight` to
`architecture.encoder.0.weight`. A row applies everywhere in its scope, so a new name must not have had another meaning there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

SCOPES = ("tensor", "key", "word")


@dataclass
class Names:
    """Table of current names and old names.

    Attributes:
        old_of: Old name of every new name, per scope.

    Example:
        >>> names = Names.of([("tensor", "architecture.encoder", "trunk"), ("word", "log", "scale-invariant")])
        >>> names.tensor("trunk.0.weight"), names.word("scale-invariant"), names.key("seed")
        ('architecture.encoder.0.weight', 'log', 'seed')
    """

    old_of: dict[str, dict[str, str]] = field(default_factory=lambda: {scope: {} for scope in SCOPES})

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str]]) -> Names:
        """Build the table from rows of scope, old and new name.

        Raises:
            ValueError: A scope is unknown, or a name occurs twice.
        """
        names = cls()
        for scope, old, new in rows:
            if scope not in SCOPES:
                raise ValueError(f"scope must be one of {', '.join(SCOPES)}, found {scope!r}")
            if new in names.old_of[scope] or old in names.old_of[scope].values():
                raise ValueError(f"names must be unique in scope {scope}, found {old!r} -> {new!r}")
            names.old_of[scope][new] = old
        return names

    @classmethod
    def read(cls, path: Path) -> Names:
        """Read the table from a CSV file with the columns scope, old and new."""
        with path.open(encoding="utf-8", newline="") as file:
            return cls.of((row["scope"], row["old"], row["new"]) for row in csv.DictReader(file))

    def tensor(self, name: str) -> str:
        """Return the old name of a key of a state dict."""
        return self._old("tensor", name)

    def key(self, name: str) -> str:
        """Return the old name of a file, a column or a JSON key."""
        return self._old("word", self._old("key", name))

    def word(self, name: str) -> str:
        """Return the old name of a word in a cell or in JSON."""
        return self._old("word", name)

    def _old(self, scope: str, name: str) -> str:
        table, parts, found = self.old_of[scope], name.split("."), list[str]()
        while parts:
            runs = (length for length in range(len(parts), 0, -1) if ".".join(parts[:length]) in table)
            length = next(runs, 0)
            found.append(table[".".join(parts[:length])] if length else parts[0])
            parts = parts[max(length, 1) :]
        return ".".join(found)
