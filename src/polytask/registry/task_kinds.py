"""The kinds of task."""

from polytask.registry.rows import Row

ROWS = (
    Row("task kind", "multiclass", "polytask.tasks.multiclass:Multiclass", "one of several classes; cross-entropy"),
    Row("task kind", "binary", "polytask.tasks.binary:Binary", "yes or no; logistic loss"),
    Row("task kind", "regression", "polytask.tasks.regression:Regression", "a number; squared error in training units"),
    Row("task kind", "tagging", "polytask.tasks.tagging:Tagging", "a tag for every token, and the entities that tags mark; cross-entropy"),
    Row("task kind", "multilabel", "polytask.tasks.multilabel:Multilabel", "any number of classes at once; a logistic loss for each"),
    Row(
        "task kind",
        "ordinal",
        "polytask.tasks.ordinal:Ordinal",
        "one of several classes in an order; cumulative logits",
        "McCullagh, JRSS B 1980",
    ),
    Row("task kind", "count", "polytask.tasks.count:Count", "a number of events; Poisson deviance"),
    Row(
        "task kind",
        "quantile",
        "polytask.tasks.quantile:Quantile",
        "quantiles of a number, which never cross; pinball loss",
        "Koenker & Bassett, Econometrica 1978",
    ),
    Row(
        "task kind",
        "survival",
        "polytask.tasks.survival:Survival",
        "a time until an event that may be yet to come; hazard per interval",
        "Gensheimer & Narasimhan, PeerJ 2019",
    ),
    Row("task kind", "custom", "polytask.tasks.custom:Custom", "numbers, with a loss and a metric of your own, given in Python"),
)
