"""Bridges to training libraries: `Backward` inside the loops of Lightning, Accelerate and Hugging Face.

None of them is imported here: a bridge is a class to derive from, or a wrapper of the library's object.
"""

from polytask.bridges.accelerated_backward import AcceleratedBackward
from polytask.bridges.balanced_module import BalancedModule
from polytask.bridges.balanced_trainer import BalancedTrainer

__all__ = ["AcceleratedBackward", "BalancedModule", "BalancedTrainer"]
