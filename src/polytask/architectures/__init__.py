"""Architectures: how tasks share encoders. One file per way of sharing; a row each in the registry."""

from polytask.architectures.adapters import Adapters, FiLM
from polytask.architectures.aitm import AITM
from polytask.architectures.architecture import Architecture
from polytask.architectures.branching import LearnedBranching
from polytask.architectures.cgc import CGC
from polytask.architectures.constrained import Constrained
from polytask.architectures.cost import Cost, cost_of
from polytask.architectures.cross_stitch import CrossStitch
from polytask.architectures.dselect_k import DSelectK
from polytask.architectures.esmm import ESMM
from polytask.architectures.graph import TaskGraph
from polytask.architectures.hard import HardSharing
from polytask.architectures.heads import head
from polytask.architectures.layers import OwnLayers, layers_of
from polytask.architectures.lora import LoRA
from polytask.architectures.mmoe import MMoE
from polytask.architectures.model import MultiTaskModel, architecture_named
from polytask.architectures.mtan import MTAN
from polytask.architectures.nddr import NDDR
from polytask.architectures.picture import Part, parts_of, picture_of
from polytask.architectures.plan import EncoderPlan, NetworkPlan
from polytask.architectures.ple import PLE
from polytask.architectures.recon import Recon
from polytask.architectures.rotated import RotatedSharing
from polytask.architectures.separate import Separate
from polytask.architectures.sluice import Sluice
from polytask.architectures.sparse_experts import SparseExperts
from polytask.architectures.stems import Stem

__all__ = [
    "AITM",
    "CGC",
    "ESMM",
    "MTAN",
    "NDDR",
    "PLE",
    "Adapters",
    "Architecture",
    "Constrained",
    "Cost",
    "CrossStitch",
    "DSelectK",
    "EncoderPlan",
    "FiLM",
    "HardSharing",
    "LearnedBranching",
    "LoRA",
    "MMoE",
    "MultiTaskModel",
    "NetworkPlan",
    "OwnLayers",
    "Part",
    "Recon",
    "RotatedSharing",
    "Separate",
    "Sluice",
    "SparseExperts",
    "Stem",
    "TaskGraph",
    "architecture_named",
    "cost_of",
    "head",
    "layers_of",
    "parts_of",
    "picture_of",
]
