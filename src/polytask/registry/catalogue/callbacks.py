"""Callbacks: measurements during training."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "callback",
        "affinity",
        "polytask.relatedness.affinity_callback:AffinityCallback",
        "cosines of the tasks' gradients, and the effect of a step for one task on the loss of another",
        display="task affinity",
        paper="Fifty et al., NeurIPS 2021",
        needs="two or more tasks that share parameters",
    ),
)
