"""Variations that hold another balancer: by name `smooth-weights:upgrad`, and so on inwards (`polytask.balancing.factory`).

What a wrapper does not change goes through it: what is needed, how many batches a step takes, second looks, seeds, and
the state of the balancer inside, which is part of its own.
"""

from polytask.balancing.wrappers.clip_weights import ClipWeights
from polytask.balancing.wrappers.per_group import PerGroup
from polytask.balancing.wrappers.preference import Preference
from polytask.balancing.wrappers.smooth_weights import SmoothWeights
from polytask.balancing.wrappers.update_every import UpdateEvery
from polytask.balancing.wrappers.wrapper import Wrapper

__all__ = ["ClipWeights", "PerGroup", "Preference", "SmoothWeights", "UpdateEvery", "Wrapper"]
