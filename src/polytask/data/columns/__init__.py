"""A table's columns as numbers: one file per kind of column."""

from polytask.data.columns.boolean import Boolean
from polytask.data.columns.category import Category
from polytask.data.columns.column import AS_IT_IS, FILE_ROW, Column
from polytask.data.columns.columns import Columns
from polytask.data.columns.date import Date
from polytask.data.columns.number import Number
from polytask.data.columns.text import Text
from polytask.data.columns.unknown import Unknown

__all__ = ["AS_IT_IS", "FILE_ROW", "Boolean", "Category", "Column", "Columns", "Date", "Number", "Text", "Unknown"]
