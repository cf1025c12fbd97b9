"""ATIS: the intent of a sentence and the slots of its words from one text encoder, against a network for each.

    python benchmarks/atis_accuracy.py [--seeds 3] [--out runs/benchmark-atis]

Networks start at random and are chosen on the 500 held-out sentences: accuracy of the intent, F1 of entities of the slots. `seqeval`, if it
is installed, counts the entities once more.
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
    """F1 of entities per arm by seqeval, mean over seeds."""
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
