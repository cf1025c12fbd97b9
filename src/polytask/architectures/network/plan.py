"""Plans of networks of either kind, as files store them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polytask.architectures.network.module_plan import ModulePlan
from polytask.architectures.network.network_plan import NetworkPlan

Plan = NetworkPlan | ModulePlan
"""Plan of a network of an encoder, an architecture and heads, or of one that a user's function makes."""


def plan_from_dict(data: Mapping[str, Any]) -> Plan:
    """Create a plan from the result of its method `to_dict`.

    Example:
        >>> str(plan_from_dict(NetworkPlan("mlp", (4,)).to_dict()))
        'mlp and hard'
    """
    return ModulePlan.from_dict(data) if "model" in data else NetworkPlan.from_dict(data)
