"""A report to look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from polytask.report import write_report

TASKS = {"churn": ("binary", "accuracy"), "value": ("regression", "rmse")}
ARMS = ("single", "equal", "cagrad(c=0.4)", "a method with a very long name, given by its users")


def verdict_content() -> dict[str, Any]:
    record = {"mean": 0.9, "difference": 0.01, "ci95": [-0.01, 0.03], "verdict": "unclear", "p": 0.1}
    pooled = {"pooled": {"difference": 0.4, "ci95": [-0.5, 1.3], "verdict": "unclear"}, "delta_m_percent": 0.4, "ci95": [0.1, 0.8]}
    tasks = {
        name: {
            "kind": kind,
            "metric": metric,
            "margin": 0.01,
            "units": 60,
            "single": {"mean": 0.9, "sd": 0.1},
            "arms": dict.fromkeys(ARMS[1:], record),
        }
        for name, (kind, metric) in TASKS.items()
    }
    advice = {"arm": "equal", "headline": "Train churn and value together.", "more_seeds": 4, "groups": [list(TASKS)]}
    return {"study": "sales", "seeds": [0, 1], "tasks": tasks, "arms": dict.fromkeys(ARMS[1:], pooled), "recommendation": advice}


def cost_content() -> dict[str, Any]:
    names = (
        "networks parameters multiply_adds shared_parameters saved_multiply_adds seconds steps rows epochs peak_memory_bytes unsolved_steps"
    )
    parts = ({"name": "trunk", "tasks": list(TASKS), "parameters": 40}, {"name": "head of churn", "tasks": ["churn"], "parameters": 4})
    cost = dict.fromkeys(names.split(), 12)
    return {"arms": dict.fromkeys(ARMS, cost), "parts": dict.fromkeys(ARMS[1:], parts), "note": "Per seed."}


@pytest.fixture(scope="session")
def make_study_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a run folder of a study with two tasks, and its report."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "run.yaml").write_text(yaml.safe_dump({"tables": {"sales": {"file": "sales.csv"}}}), encoding="utf-8")
    for name, content in (("verdict", verdict_content()), ("cost", cost_content()), ("environment", {"torch": "2.13.0"})):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    rng = np.random.default_rng(0)
    history = [
        (arm, seed, epoch, epoch, task, "training", name, 1 / epoch + seed)
        for arm in ARMS
        for seed in range(2)
        for epoch in (1, 2, 3)
        for task in TASKS
        for name in ("loss", "gradient norm")
    ]
    pd.DataFrame(history, columns=["arm", "seed", "epoch", "step", "task", "split", "name", "value"]).to_csv(
        folder / "history.csv", index=False
    )
    results = [(arm, 0, task, "test", metric, 0.9) for arm in (*ARMS, "trivial predictor") for task, (_, metric) in TASKS.items()]
    pd.DataFrame(results, columns=["arm", "seed", "task", "split", "metric", "value"]).to_csv(folder / "results.csv", index=False)
    chance, number = rng.uniform(size=60), rng.normal(size=60)
    churn = pd.DataFrame({"target": np.where(chance > 0.5, "yes", "no"), "prediction": "yes", "probability": chance})
    value = pd.DataFrame({"target": number.astype(str), "prediction": (number + 0.1).astype(str), "probability": np.nan})
    frames = [one.assign(arm=arm, seed=0, task=task, split="test") for arm in ARMS for task, one in zip(TASKS, (churn, value), strict=True)]
    pd.concat(frames).to_parquet(folder / "predictions.parquet", index=False)
    return write_report(folder)
