"""Compare joint and single-task training on ATIS: the intent of a sentence and the slots of its words.

    python benchmarks/atis_accuracy.py [--seeds 3] [--out runs/benchmark-atis]

Networks start from random weights and are selected on the 500 held-out sentences. Metrics are the accuracy of the intent and the entity F1
of the slots, which is computed with `seqeval` as well, if that is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from architecture_study import arguments, run, table

EPOCHS = 25
CONFIG: dict[str, Any] = {
    "source": "atis",
    "arms": ("single", "equal"),
    "encoder_options": {"embedding": 200, "width": 400, "dropout": 0.5, "forgotten": 0.05},
    "hidden": (),
    "training": {
        "epochs": EPOCHS,
        "batch_size": 16,
        "scheduler": "CosineAnnealingLR",
        "scheduler_options": {"T_max": EPOCHS},
        "patience": None,
    },
}


def counted_again(folder: Path) -> str:
    """Return the entity F1 per arm as computed by seqeval, averaged over seeds."""
    try:
        from seqeval.metrics import f1_score
    except ImportError:
        return "seqeval is not installed"
    frame = pd.read_parquet(folder / "predictions.parquet").query("task == 'slots'")
    scores = {
        arm: [
            f1_score([text.split() for text in part["target"]], [text.split() for text in part["prediction"]])
            for _, part in own.groupby("seed")
        ]
        for arm, own in frame.groupby("arm")
    }
    return "by seqeval: " + ", ".join(f"{arm!s} {sum(own) / len(own):.4f}" for arm, own in scores.items())


if __name__ == "__main__":
    folder = run(CONFIG, arguments(__doc__, seeds=3))
    print(table(folder, {"intent": "accuracy", "slots": "entity-f1"}))
    print(counted_again(folder))
