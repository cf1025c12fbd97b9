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
    Row(
        "architecture",
        "rotated",
        "polytask.architectures.rotated:RotatedSharing",
        "hard sharing, with the features turned for every task by rotograd",
        paper="Javaloy & Valera, ICLR 2022",
        needs="any encoder, and the balancer rotograd",
    ),
)
