"""Variations that hold another balancer: by name `smoothed:upgrad`, and so on inwards (`polytask.balancing.factory`).

What a wrapper does not change goes through it: what is needed, how many batches a step takes, second looks, seeds, and
the state of the balancer inside, which is part of its own.
"""

from polytask.balancing.wrappers.clipped import Clipped
from polytask.balancing.wrappers.per_group import PerGroup
from polytask.balancing.wrappers.preferred import Preferred
from polytask.balancing.wrappers.refreshed import Refreshed
from polytask.balancing.wrappers.smoothed import Smoothed
from polytask.balancing.wrappers.wrapper import Wrapper

__all__ = ["Clipped", "PerGroup", "Preferred", "Refreshed", "Smoothed", "Wrapper"]
