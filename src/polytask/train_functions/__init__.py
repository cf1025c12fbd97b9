"""Training functions: any code that trains, called with a request in a process of its own, and the predictions that it returns."""

from polytask.train_functions.returned_predictions import Outputs
from polytask.train_functions.training_request import InputRows, LabeledRows, TrainingRequest

__all__ = [
    "InputRows",
    "LabeledRows",
    "Outputs",
    "TrainingRequest",
]
