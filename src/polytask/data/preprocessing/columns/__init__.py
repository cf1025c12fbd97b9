"""Encoding of table columns as numbers, with one module per kind of column."""

from polytask.data.preprocessing.columns.base import FILE_ROW_INDEX, PASSTHROUGH, Column
from polytask.data.preprocessing.columns.boolean_column import BooleanColumn
from polytask.data.preprocessing.columns.categorical_column import CategoricalColumn
from polytask.data.preprocessing.columns.character_ngrams import TextColumn
from polytask.data.preprocessing.columns.date_column import DateColumn
from polytask.data.preprocessing.columns.numeric_column import NumericColumn
from polytask.data.preprocessing.columns.pretrained_column import PretrainedTextColumn
from polytask.data.preprocessing.columns.table_preprocessor import TablePreprocessor
from polytask.data.preprocessing.columns.unknown_categories import UnknownCategories

__all__ = [
    "FILE_ROW_INDEX",
    "PASSTHROUGH",
    "BooleanColumn",
    "CategoricalColumn",
    "Column",
    "DateColumn",
    "NumericColumn",
    "PretrainedTextColumn",
    "TablePreprocessor",
    "TextColumn",
    "UnknownCategories",
]
