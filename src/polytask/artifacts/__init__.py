"""Saved models: loading a model folder and predicting with it."""

from polytask.artifacts.saved_model import SavedModel, load

__all__ = ["SavedModel", "load"]
