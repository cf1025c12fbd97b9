"""Kinds of task, with their losses."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "task kind", "multiclass", "polytask.tasks.multiclass:Multiclass", "one of several classes; cross-entropy", display="classification"
    ),
    ComponentSpec("task kind", "binary", "polytask.tasks.binary:Binary", "yes or no; logistic loss", display="binary classification"),
    ComponentSpec(
        "task kind", "regression", "polytask.tasks.regression:Regression", "a number; squared error in training units", display="regression"
    ),
    ComponentSpec(
        "task kind",
        "tagging",
        "polytask.tasks.tagging:Tagging",
        "a tag per token, and the entities that the tags mark; cross-entropy",
        display="sequence tagging",
    ),
    ComponentSpec(
        "task kind",
        "multilabel",
        "polytask.tasks.multilabel:Multilabel",
        "any number of classes at once; a logistic loss per class",
        display="multilabel classification",
    ),
    ComponentSpec(
        "task kind",
        "ordinal",
        "polytask.tasks.ordinal:Ordinal",
        "one of several ordered classes; cumulative logits",
        display="ordinal classification",
        paper="McCullagh, JRSS B 1980",
    ),
    ComponentSpec("task kind", "count", "polytask.tasks.count:Count", "a number of events; Poisson deviance", display="count regression"),
    ComponentSpec(
        "task kind",
        "quantile",
        "polytask.tasks.quantile:Quantile",
        "non-crossing quantiles of a number; pinball loss",
        display="quantile regression",
        paper="Koenker & Bassett, Econometrica 1978",
    ),
    ComponentSpec(
        "task kind",
        "survival",
        "polytask.tasks.survival:Survival",
        "a time until an event, possibly censored; hazard per interval",
        display="survival analysis",
        paper="Gensheimer & Narasimhan, PeerJ 2019",
    ),
    ComponentSpec(
        "task kind",
        "vector",
        "polytask.tasks.vector_regression:VectorRegression",
        "several numbers per row; mean of their squared errors in training units",
        display="vector regression",
    ),
    ComponentSpec(
        "task kind",
        "custom",
        "polytask.tasks.custom:Custom",
        "numbers, with a user-defined loss and metric, given in Python",
        display="task with its own loss and metric",
    ),
)
