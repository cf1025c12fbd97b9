"""Balancers that look at nothing, or at the losses alone: one backward pass for all tasks."""

from polytask.registry.rows import Row

ROWS = (
    Row(
        "balancer",
        "equal",
        "polytask.balancing.equal:Equal",
        "the plain sum of the losses",
        needs="nothing",
        cost="none",
        state="none",
    ),
    Row(
        "balancer",
        "fixed",
        "polytask.balancing.fixed:Fixed",
        "the sum of the losses with weights that you choose",
        needs="nothing",
        cost="none",
        state="none",
    ),
    Row(
        "balancer",
        "uncertainty",
        "polytask.balancing.uncertainty:Uncertainty",
        "weights learned from each task's homoscedastic uncertainty",
        paper="Kendall, Gal & Cipolla, CVPR 2018",
        needs="losses",
        cost="none",
        state="a log-variance per task and its optimizer",
    ),
)
