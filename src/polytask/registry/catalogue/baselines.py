"""Baselines: methods without networks, for comparison."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "baseline",
        "trees",
        "polytask.baselines.boosted_trees:BoostedTrees",
        "histogram gradient boosting, one model per task, with the number of iterations that is best on validation rows",
        display="boosted trees",
        paper="Friedman, Annals of Statistics 2001",
        needs="a table, and scikit-learn (extra sklearn)",
    ),
)
