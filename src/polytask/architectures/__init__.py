"""Architectures: how tasks share encoders. Each architecture is one file and one entry of the registry."""

from polytask.architectures.adapters.bottleneck_adapters import Adapters, FiLM
from polytask.architectures.adapters.lora import LoRA
from polytask.architectures.architecture import Architecture
from polytask.architectures.experts.cgc import CGC
from polytask.architectures.experts.dselect_k import DSelectK
from polytask.architectures.experts.mmoe import MMoE
from polytask.architectures.experts.ple import PLE
from polytask.architectures.experts.sparse_experts import SparseExperts
from polytask.architectures.hard_sharing.hard import HardSharing
from polytask.architectures.hard_sharing.learned_branching import LearnedBranching
from polytask.architectures.hard_sharing.recon import Recon
from polytask.architectures.hard_sharing.rotated import RotatedSharing
from polytask.architectures.hard_sharing.task_layers import TaskLayers, parametrized_layers
from polytask.architectures.network.input_form import InputForm
from polytask.architectures.network.model_cost import ModelCost, measure_cost
from polytask.architectures.network.module_network import ModuleNetwork
from polytask.architectures.network.module_plan import ModulePlan
from polytask.architectures.network.multi_task_model import MultiTaskModel, build_architecture
from polytask.architectures.network.network import Network, NetworkPart
from polytask.architectures.network.network_plan import EncoderPlan, NetworkPlan
from polytask.architectures.network.sharing_diagram import draw_sharing, network_parts
from polytask.architectures.network.source_stems import Stem
from polytask.architectures.network.task_heads import build_head
from polytask.architectures.soft_sharing.constrained import Constrained
from polytask.architectures.soft_sharing.cross_stitch import CrossStitch
from polytask.architectures.soft_sharing.mtan import MTAN
from polytask.architectures.soft_sharing.nddr import NDDR
from polytask.architectures.soft_sharing.separate import Separate
from polytask.architectures.soft_sharing.sluice import Sluice
from polytask.architectures.task_graphs.aitm import AITM
from polytask.architectures.task_graphs.esmm import ESMM
from polytask.architectures.task_graphs.task_graph_network import TaskGraph

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
    "CrossStitch",
    "DSelectK",
    "EncoderPlan",
    "FiLM",
    "HardSharing",
    "InputForm",
    "LearnedBranching",
    "LoRA",
    "MMoE",
    "ModelCost",
    "ModuleNetwork",
    "ModulePlan",
    "MultiTaskModel",
    "Network",
    "NetworkPart",
    "NetworkPlan",
    "Recon",
    "RotatedSharing",
    "Separate",
    "Sluice",
    "SparseExperts",
    "Stem",
    "TaskGraph",
    "TaskLayers",
    "build_architecture",
    "build_head",
    "draw_sharing",
    "measure_cost",
    "network_parts",
    "parametrized_layers",
]
