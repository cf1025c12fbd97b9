"""Remarks on labels that are probably not the classes that they seem to be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from polytask.errors import shown

MISSING_WORDS = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "missing", "unknown", "not available", "."})
"""Texts, in lower case and without blanks around them, that mean a missing value more often than a class."""
SET_SEPARATORS = ("|", ";", ",", "/")
"""Separators of labels in one cell, in the order in which they are tried."""


def label_remarks(classes: Sequence[str]) -> list[str]:
    """Return remarks on the distinct texts of a target: classes that differ in blanks or case, missing values, and sets of labels.

    Example:
        >>> label_remarks(["no", "yes", "YES ", "NA"])[0]
        "the labels 'YES ' and 'yes' differ in case or blanks only and are 2 classes: write them alike"
        >>> label_remarks(["a", "b", "a|b", "b|a"])
        ["cells such as 'a|b' may be sets of labels: use the kind 'multilabel(separator=|)' if they are"]
    """
    found = []
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(classes):
        alike[" ".join(label.split()).casefold()].append(label)
    for group in alike.values():
        if len(group) > 1:
            spoken = f"{', '.join(map(shown, group[:-1]))} and {shown(group[-1])}"
            found.append(f"the labels {spoken} differ in case or blanks only and are {len(group)} classes: write them alike")
    absent = [label for label in sorted(classes) if label.strip().casefold() in MISSING_WORDS]
    if absent and len(classes) > len(absent):
        values = " ".join(map(shown, absent))
        found.append(f"{', '.join(map(shown, absent))} is read as a class: if it means that there is no label, use --na-values {values}")
    return found + _set_remarks(classes)


def _set_remarks(classes: Sequence[str]) -> list[str]:
    """Return a remark if the parts of cells between separators occur in several cells."""
    for separator in SET_SEPARATORS:
        parts = [label.split(separator) for label in sorted(classes)]
        several = [label for label, own in zip(sorted(classes), parts, strict=True) if len(own) > 1]
        single = {part.strip() for own in parts for part in own}
        if several and "" not in single and len(single) < len(classes):
            kind = f"multilabel(separator={separator})"
            return [f"cells such as {shown(several[0])} may be sets of labels: use the kind {kind!r} if they are"]
    return []
