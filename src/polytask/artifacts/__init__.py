"""What is shipped: the model folder, and using it."""

from polytask.artifacts.saved_model import SavedModel, load

__all__ = ["SavedModel", "load"]
