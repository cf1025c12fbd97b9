"""Baselines: methods without networks, for comparison."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "baseline",
        "linear",
        "polytask.baselines.linear_models:LinearModels",
        "ridge, logistic or Poisson regression, one model per task, with the penalty that is best on validation rows",
        display="linear models",
        paper="Hoerl and Kennard, Technometrics 1970",
        needs="a table, and scikit-learn (extra sklearn)",
    ),
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
