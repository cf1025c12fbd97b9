"""Task kinds: one module per kind, with its loss per labeled unit, its metrics, and the encoding of its labels."""

from polytask.tasks.base import LabelType, ReportView, Targets, Task, has_label, task_from_dict
from polytask.tasks.binary import Binary
from polytask.tasks.count import Count
from polytask.tasks.custom import Custom
from polytask.tasks.loss import Loss, masked_loss
from polytask.tasks.metric import Metric, Outcome, Predictions, Runs
from polytask.tasks.multiclass import Multiclass
from polytask.tasks.multilabel import Multilabel
from polytask.tasks.numeric_labels import labels_as_floats
from polytask.tasks.ordinal import Ordinal
from polytask.tasks.quantile import Quantile
from polytask.tasks.regression import Regression
from polytask.tasks.survival import Survival
from polytask.tasks.tagging import Tagging
from polytask.tasks.task_checks import check_tasks
from polytask.tasks.vector_regression import VectorRegression

__all__ = [
    "Binary",
    "Count",
    "Custom",
    "LabelType",
    "Loss",
    "Metric",
    "Multiclass",
    "Multilabel",
    "Ordinal",
    "Outcome",
    "Predictions",
    "Quantile",
    "Regression",
    "ReportView",
    "Runs",
    "Survival",
    "Tagging",
    "Targets",
    "Task",
    "VectorRegression",
    "check_tasks",
    "has_label",
    "labels_as_floats",
    "masked_loss",
    "task_from_dict",
]
