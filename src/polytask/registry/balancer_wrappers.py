"""Variations that wrap any balancer: `wrapper:balancer`, such as `smoothed:upgrad`."""

from polytask.registry.rows import Row

ROWS = (
    Row(
        "balancer wrapper",
        "smoothed",
        "polytask.balancing.wrappers.smoothed:Smoothed",
        "weights averaged over time (CR-MOGM)",
        paper="Zhou et al., NeurIPS 2022",
        needs="weights",
        cost="none",
        state="a weight per task",
    ),
    Row(
        "balancer wrapper",
        "clipped",
        "polytask.balancing.wrappers.clipped:Clipped",
        "weights cut to a range; by default no negative ones",
        needs="weights",
        cost="none",
        state="none",
    ),
    Row(
        "balancer wrapper",
        "refreshed",
        "polytask.balancing.wrappers.refreshed:Refreshed",
        "weights computed every k steps, and used in between",
        paper="Navon et al., ICML 2022",
        needs="weights",
        cost="saves the balancer's own in k - 1 of k steps",
        state="a weight per task",
    ),
    Row(
        "balancer wrapper",
        "preferred",
        "polytask.balancing.wrappers.preferred:Preferred",
        "a preference per task for balancers that have none",
        needs="anything",
        cost="none",
        memory="a copy of the Jacobian, if that is needed",
        state="none",
    ),
    Row(
        "balancer wrapper",
        "per-group",
        "polytask.balancing.wrappers.per_group:PerGroup",
        "a copy of the balancer for every layer or parameter tensor",
        paper="Wang et al., ICLR 2021",
        needs="gradients of the shared parameters",
        cost="a solution per group",
        state="the balancer's, per group",
    ),
)
