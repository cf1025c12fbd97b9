"""Balancers: how the losses of several tasks become one update. One file per method; a row each in the registry.

A method declares what it `needs`, gets a `Statistic`, and answers with weights or a direction. Methods are found by name
through the registry (`polytask.registry`), or imported from here.
"""

from polytask.balancing.balancer import Answer, AtRepresentations, Balancer, Direction, GroupWeights, Weights, direction_of
from polytask.balancing.dwa import DWA
from polytask.balancing.equal import Equal
from polytask.balancing.famo import FAMO
from polytask.balancing.fixed import Fixed
from polytask.balancing.gls import GLS
from polytask.balancing.imtl_l import IMTLL
from polytask.balancing.matrix import MatrixStatistic, matrix_statistic
from polytask.balancing.needs import CrossGramian, Gramian, Jacobian, Lookahead, Losses, Needs, Norms, Nothing, Representations
from polytask.balancing.random import Random
from polytask.balancing.scale_invariant import ScaleInvariant
from polytask.balancing.smooth_tchebycheff import SmoothTchebycheff
from polytask.balancing.statistic import Look, Representation, Statistic
from polytask.balancing.stch import STCH
from polytask.balancing.uncertainty import Uncertainty

__all__ = [
    "DWA",
    "FAMO",
    "GLS",
    "IMTLL",
    "STCH",
    "Answer",
    "AtRepresentations",
    "Balancer",
    "CrossGramian",
    "Direction",
    "Equal",
    "Fixed",
    "Gramian",
    "GroupWeights",
    "Jacobian",
    "Look",
    "Lookahead",
    "Losses",
    "MatrixStatistic",
    "Needs",
    "Norms",
    "Nothing",
    "Random",
    "Representation",
    "Representations",
    "ScaleInvariant",
    "SmoothTchebycheff",
    "Statistic",
    "Uncertainty",
    "Weights",
    "direction_of",
    "matrix_statistic",
]
