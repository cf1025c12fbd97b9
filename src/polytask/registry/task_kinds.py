"""The kinds of task."""

from polytask.registry.rows import Row

ROWS = (
    Row("task kind", "multiclass", "polytask.tasks.multiclass:Multiclass", "one of several classes; cross-entropy"),
    Row("task kind", "binary", "polytask.tasks.binary:Binary", "yes or no; logistic loss"),
    Row("task kind", "regression", "polytask.tasks.regression:Regression", "a number; squared error in training units"),
    Row("task kind", "tagging", "polytask.tasks.tagging:Tagging", "a tag for every token, and the entities that tags mark; cross-entropy"),
)
