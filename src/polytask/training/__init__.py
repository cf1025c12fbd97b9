"""Training: the loop, its state, early stopping, precision and progress."""

from polytask.training.callback import Callback
from polytask.training.fit_model import fit, make_balancer, resolve_hardware_options
from polytask.training.fit_result import FitResult
from polytask.training.hardware import Precision, choose_precision
from polytask.training.log_training import LogTraining
from polytask.training.loop.training_progress import ProgressHook, TrainingProgress, ignore_progress
from polytask.training.optimization.param_groups import make_param_groups
from polytask.training.preparation.prepared_data import PreparedData, PreparedSource, prepare_data, prepare_source

__all__ = [
    "Callback",
    "FitResult",
    "LogTraining",
    "Precision",
    "PreparedData",
    "PreparedSource",
    "ProgressHook",
    "TrainingProgress",
    "choose_precision",
    "fit",
    "ignore_progress",
    "make_balancer",
    "make_param_groups",
    "prepare_data",
    "prepare_source",
    "resolve_hardware_options",
]
