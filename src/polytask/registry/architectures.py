"""The architectures: how tasks share encoders."""

from polytask.registry.rows import Row

ROWS = (
    Row(
        "architecture",
        "hard",
        "polytask.architectures.hard:HardSharing",
        "one encoder for all tasks, then a head per task",
        paper="Caruana, Machine Learning 1997",
        needs="any encoder",
    ),
)
