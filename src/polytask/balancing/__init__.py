"""Balancers: how the losses of several tasks become one update. One file per method; a row each in the registry."""

from polytask.balancing.balancer import Balancer, Direction, Weights
from polytask.balancing.equal import Equal
from polytask.balancing.fixed import Fixed
from polytask.balancing.needs import Gramian, Jacobian, Losses, Needs, Nothing
from polytask.balancing.statistic import Statistic, matrix_statistic
from polytask.balancing.uncertainty import Uncertainty

__all__ = [
    "Balancer",
    "Direction",
    "Equal",
    "Fixed",
    "Gramian",
    "Jacobian",
    "Losses",
    "Needs",
    "Nothing",
    "Statistic",
    "Uncertainty",
    "Weights",
    "matrix_statistic",
]
