"""Training: the loop, its state, convergence, precision and progress."""

from polytask.training.callback import Callback
from polytask.training.fit import fit, make_balancer, resolved
from polytask.training.machine import Precision, choose_precision
from polytask.training.preparation import PreparedData, PreparedSource, prepare, prepare_source
from polytask.training.progress import Progress, Watch
from polytask.training.run import Run

__all__ = [
    "Callback",
    "Precision",
    "PreparedData",
    "PreparedSource",
    "Progress",
    "Run",
    "Watch",
    "choose_precision",
    "fit",
    "make_balancer",
    "prepare",
    "prepare_source",
    "resolved",
]
