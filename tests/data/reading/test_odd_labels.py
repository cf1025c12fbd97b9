"""Labels that are probably not the classes that they seem to be."""

from __future__ import annotations

import re

import pytest

from polytask.data.reading.odd_labels import label_remarks

REMARKS: dict[str, tuple[list[str], list[str]]] = {
    "plain": (["no", "yes"], []),
    "a blank behind": (["yes", "yes ", "no"], ["'yes' and 'yes ' differ in case or blanks only and are 2 classes"]),
    "another case": (["Yes", "YES", "no"], ["'YES' and 'Yes' differ"]),
    "two blanks inside": (["New York", "New  York", "Rome"], ["differ in case or blanks only"]),
    "letters of another case": (["ß", "SS"], ["differ in case or blanks only"]),
    "NA": (["a", "b", "NA"], ["'NA' is read as a class.*--na-values 'NA'"]),
    "two missing values": (["a", "b", "?", "null"], ["'\\?', 'null' is read as a class"]),
    "nothing but missing values": (["NA"], []),
    "sets with bars": (["a", "b", "a|b"], [r"multilabel\(separator=\|\)"]),
    "sets with commas": (["a", "b", "c", "a,b", "a,c"], ["multilabel\\(separator=,\\)"]),
    "sets with semicolons": (["a;b", "b;c", "a;c", "b"], ["multilabel\\(separator=;\\)"]),
    "names with a comma": (["Smith, A", "Jones, B"], []),
    "fractions": (["1/2", "3/4"], []),
}


@pytest.mark.parametrize("case", REMARKS)
def test_remarks(case: str) -> None:
    classes, expected = REMARKS[case]
    found = label_remarks(classes)
    assert len(found) == len(expected), found
    for line, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, line), line
