"""The callbacks: what is measured while a network is trained."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "callback",
        "affinity",
        "polytask.relatedness.affinity_callback:AffinityCallback",
        "cosines of the tasks' gradients, and what a step for one task does to another's loss",
        display="task affinity",
        paper="Fifty et al., NeurIPS 2021",
        needs="several tasks that share parameters",
    ),
)
