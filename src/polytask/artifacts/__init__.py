"""What is shipped: the model folder, and using it."""

from polytask.artifacts.model import Model, load

__all__ = ["Model", "load"]
