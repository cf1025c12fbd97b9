"""Balancers, which turn the losses of several tasks into one update. Each method has one file and one row in the registry.

A method declares what it `needs`, receives a `Statistic`, and returns weights or a direction. Look up methods by name in
the registry (`polytask.registry`), or import them from here.
"""

from polytask.balancing.balancer import (
    Answer,
    Balancer,
    BatchWeights,
    Direction,
    GroupWeights,
    RepresentationGradients,
    Weights,
    answer_to_direction,
)
from polytask.balancing.bilevel.auto_lambda import AutoLambda
from polytask.balancing.bilevel.forum import FORUM
from polytask.balancing.bilevel.moml import MOML
from polytask.balancing.building_blocks.feature_rotations import FeatureRotations
from polytask.balancing.factory import balancer_named
from polytask.balancing.gradient_based.aligned_mtl import AlignedMTL
from polytask.balancing.gradient_based.cagrad import CAGrad
from polytask.balancing.gradient_based.conflict_free import ConFIG
from polytask.balancing.gradient_based.db_mtl import DBMTL
from polytask.balancing.gradient_based.dual_proj import DualProj
from polytask.balancing.gradient_based.excess_mtl import ExcessMTL
from polytask.balancing.gradient_based.fairgrad import FairGrad
from polytask.balancing.gradient_based.graddrop import GradDrop
from polytask.balancing.gradient_based.gradnorm import GradNorm
from polytask.balancing.gradient_based.gradvac import GradVac
from polytask.balancing.gradient_based.imtl import IMTL
from polytask.balancing.gradient_based.imtl_g import IMTLG
from polytask.balancing.gradient_based.metabalance import MetaBalance
from polytask.balancing.gradient_based.mgda import MGDA
from polytask.balancing.gradient_based.moco import MoCo
from polytask.balancing.gradient_based.modo import MoDo
from polytask.balancing.gradient_based.momentum_conflict_free import MomentumConFIG
from polytask.balancing.gradient_based.nash_mtl import NashMTL
from polytask.balancing.gradient_based.norm_scaled import NormScaled
from polytask.balancing.gradient_based.pcd import PCD
from polytask.balancing.gradient_based.pcgrad import PCGrad
from polytask.balancing.gradient_based.rotograd import RotoGrad
from polytask.balancing.gradient_based.sdmgrad import SDMGrad
from polytask.balancing.gradient_based.upgrad import UPGrad
from polytask.balancing.loss_based.cosmos import COSMOS
from polytask.balancing.loss_based.dwa import DWA
from polytask.balancing.loss_based.equal import Equal
from polytask.balancing.loss_based.famo import FAMO
from polytask.balancing.loss_based.fixed import Fixed
from polytask.balancing.loss_based.gls import GLS
from polytask.balancing.loss_based.go4align import GO4Align
from polytask.balancing.loss_based.groupdro import GroupDRO
from polytask.balancing.loss_based.igb import IGB
from polytask.balancing.loss_based.imtl_l import IMTLL
from polytask.balancing.loss_based.pbi import PBI
from polytask.balancing.loss_based.random import Random
from polytask.balancing.loss_based.scale_invariant import ScaleInvariant
from polytask.balancing.loss_based.smooth_tchebycheff import SmoothTchebycheff
from polytask.balancing.loss_based.stch import STCH
from polytask.balancing.loss_based.uncertainty import Uncertainty
from polytask.balancing.loss_based.uw_so import UWSO
from polytask.balancing.matrix_to_statistic import MatrixStatistic, statistic_from_jacobian
from polytask.balancing.needs import CrossGramian, Gramian, Jacobian, Lookahead, Losses, Needs, Norms, Nothing, Representations
from polytask.balancing.statistic import LookaheadOracle, Representation, Statistic

__all__ = [
    "COSMOS",
    "DBMTL",
    "DWA",
    "FAMO",
    "FORUM",
    "GLS",
    "IGB",
    "IMTL",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "MOML",
    "PBI",
    "PCD",
    "STCH",
    "UWSO",
    "AlignedMTL",
    "Answer",
    "AutoLambda",
    "Balancer",
    "BatchWeights",
    "CAGrad",
    "ConFIG",
    "CrossGramian",
    "Direction",
    "DualProj",
    "Equal",
    "ExcessMTL",
    "FairGrad",
    "FeatureRotations",
    "Fixed",
    "GO4Align",
    "GradDrop",
    "GradNorm",
    "GradVac",
    "Gramian",
    "GroupDRO",
    "GroupWeights",
    "Jacobian",
    "Lookahead",
    "LookaheadOracle",
    "Losses",
    "MatrixStatistic",
    "MetaBalance",
    "MoCo",
    "MoDo",
    "MomentumConFIG",
    "NashMTL",
    "Needs",
    "NormScaled",
    "Norms",
    "Nothing",
    "PCGrad",
    "Random",
    "Representation",
    "RepresentationGradients",
    "Representations",
    "RotoGrad",
    "SDMGrad",
    "ScaleInvariant",
    "SmoothTchebycheff",
    "Statistic",
    "UPGrad",
    "Uncertainty",
    "Weights",
    "answer_to_direction",
    "balancer_named",
    "statistic_from_jacobian",
]
