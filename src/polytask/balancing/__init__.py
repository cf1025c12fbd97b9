"""Balancers: how the losses of several tasks become one update. One file per method; a row each in the registry.

A method declares what it `needs`, gets a `Statistic`, and answers with weights or a direction. Methods are found by name
through the registry (`polytask.registry`), or imported from here.
"""

from polytask.balancing.aligned_mtl import AlignedMTL
from polytask.balancing.auto_lambda import AutoLambda
from polytask.balancing.balancer import Answer, AtRepresentations, Balancer, Direction, GroupWeights, Weights, direction_of
from polytask.balancing.cagrad import CAGrad
from polytask.balancing.config import ConFIG
from polytask.balancing.db_mtl import DBMTL
from polytask.balancing.dual_proj import DualProj
from polytask.balancing.dwa import DWA
from polytask.balancing.equal import Equal
from polytask.balancing.excess_mtl import ExcessMTL
from polytask.balancing.fairgrad import FairGrad
from polytask.balancing.famo import FAMO
from polytask.balancing.fixed import Fixed
from polytask.balancing.gls import GLS
from polytask.balancing.graddrop import GradDrop
from polytask.balancing.gradnorm import GradNorm
from polytask.balancing.gradvac import GradVac
from polytask.balancing.imtl import IMTL
from polytask.balancing.imtl_g import IMTLG
from polytask.balancing.imtl_l import IMTLL
from polytask.balancing.matrix import MatrixStatistic, matrix_statistic
from polytask.balancing.metabalance import MetaBalance
from polytask.balancing.mgda import MGDA
from polytask.balancing.moco import MoCo
from polytask.balancing.modo import MoDo
from polytask.balancing.momentum_config import MomentumConFIG
from polytask.balancing.moml import MOML
from polytask.balancing.nash_mtl import NashMTL
from polytask.balancing.needs import CrossGramian, Gramian, Jacobian, Lookahead, Losses, Needs, Norms, Nothing, Representations
from polytask.balancing.pcgrad import PCGrad
from polytask.balancing.random import Random
from polytask.balancing.rotations import Rotations
from polytask.balancing.rotograd import RotoGrad
from polytask.balancing.scale_invariant import ScaleInvariant
from polytask.balancing.sdmgrad import SDMGrad
from polytask.balancing.smooth_tchebycheff import SmoothTchebycheff
from polytask.balancing.statistic import Look, Representation, Statistic
from polytask.balancing.stch import STCH
from polytask.balancing.uncertainty import Uncertainty
from polytask.balancing.upgrad import UPGrad

__all__ = [
    "DBMTL",
    "DWA",
    "FAMO",
    "GLS",
    "IMTL",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "MOML",
    "STCH",
    "AlignedMTL",
    "Answer",
    "AtRepresentations",
    "AutoLambda",
    "Balancer",
    "CAGrad",
    "ConFIG",
    "CrossGramian",
    "Direction",
    "DualProj",
    "Equal",
    "ExcessMTL",
    "FairGrad",
    "Fixed",
    "GradDrop",
    "GradNorm",
    "GradVac",
    "Gramian",
    "GroupWeights",
    "Jacobian",
    "Look",
    "Lookahead",
    "Losses",
    "MatrixStatistic",
    "MetaBalance",
    "MoCo",
    "MoDo",
    "MomentumConFIG",
    "NashMTL",
    "Needs",
    "Norms",
    "Nothing",
    "PCGrad",
    "Random",
    "Representation",
    "Representations",
    "Rotations",
    "RotoGrad",
    "SDMGrad",
    "ScaleInvariant",
    "SmoothTchebycheff",
    "Statistic",
    "UPGrad",
    "Uncertainty",
    "Weights",
    "direction_of",
    "matrix_statistic",
]
