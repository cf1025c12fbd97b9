"""Models of several targets of a table: networks, trees and linear models, apart and shared, and the choice among them."""

from polytask.table_arms.model_choice import ChosenModel, choose_model
from polytask.table_arms.table_model_base import TableArm, TableRows

__all__ = ["ChosenModel", "TableArm", "TableRows", "choose_model"]
