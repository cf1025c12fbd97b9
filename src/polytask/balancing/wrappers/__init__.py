"""Wrappers, which modify another balancer. Their names precede its name, as in `smooth-weights:upgrad` (`polytask.balancing.factory`).

Everything that a wrapper does not change is passed through: the needs, the number of batches per step, the losses after the
optimizer's step, seeds, and the state of the wrapped balancer, which is part of the wrapper's state.
"""

from polytask.balancing.wrappers.clip_weights import ClipWeights
from polytask.balancing.wrappers.log_losses import LogLosses
from polytask.balancing.wrappers.per_group import PerGroup
from polytask.balancing.wrappers.preference import Preference
from polytask.balancing.wrappers.smooth_weights import SmoothWeights
from polytask.balancing.wrappers.update_every import UpdateEvery
from polytask.balancing.wrappers.wrapper import Wrapper

__all__ = ["ClipWeights", "LogLosses", "PerGroup", "Preference", "SmoothWeights", "UpdateEvery", "Wrapper"]
