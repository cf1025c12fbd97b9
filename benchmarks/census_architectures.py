"""Compare architectures on Census-Income: income and marriage, area under the curve on 99,762 test rows.

    python benchmarks/census_architectures.py [--seeds 10] [--arms single equal 'equal@mmoe(experts=8)'] [--out
    runs/benchmark-census-income]

Ten seeds per arm, two at a time, take an hour. Models are selected on a tenth of the training rows. The options, the same for all arms,
were also selected there, for hard sharing alone.
"""

from __future__ import annotations

from typing import Any

from architecture_study import arguments, run, table

EPOCHS = 12
CONFIG: dict[str, Any] = {
    "source": "census-income",
    "arms": (
        "single",
        "equal",
        "equal@mmoe(experts=4)",
        "equal@ple",
        "equal@cross-stitch",
        "equal@adapters",
    ),
    "encoder_options": {"hidden": (128, 64), "numbers": "periodic", "size": 32, "sigma": 4.0, "embedding": 4, "dropout": 0.1},
    "hidden": (16,),
    "training": {
        "epochs": EPOCHS,
        "batch_size": 512,
        "lr": 0.002,
        "optimizer_options": {"weight_decay": 1e-4},
        "scheduler": "CosineAnnealingLR",
        "scheduler_options": {"T_max": EPOCHS},
        "patience": None,
    },
}

if __name__ == "__main__":
    folder = run(CONFIG, arguments(__doc__, seeds=10))
    print(table(folder, {"income": "auc", "married": "auc"}))
