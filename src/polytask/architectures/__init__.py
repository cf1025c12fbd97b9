"""Architectures: how tasks share encoders. One file per way of sharing; a row each in the registry."""

from polytask.architectures.architecture import Architecture
from polytask.architectures.cost import Cost, cost_of
from polytask.architectures.hard import HardSharing
from polytask.architectures.heads import head
from polytask.architectures.model import MultiTaskModel
from polytask.architectures.plan import NetworkPlan
from polytask.architectures.rotated import RotatedSharing

__all__ = ["Architecture", "Cost", "HardSharing", "MultiTaskModel", "NetworkPlan", "RotatedSharing", "cost_of", "head"]
