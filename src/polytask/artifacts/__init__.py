"""Saved models: loading a model folder and predicting with it."""

from polytask.artifacts.saved_model import SavedModel, load
from polytask.artifacts.table_model import SavedTableModel

__all__ = [
    "SavedModel",
    "SavedTableModel",
    "load",
]
