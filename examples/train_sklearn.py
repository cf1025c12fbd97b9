"""Study a scikit-learn pipeline with one or with several outputs: python examples/train_sklearn.py [seeds]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import polytask as pt


def train(request: pt.TrainingRequest) -> dict[str, Any]:
    """Fit one pipeline for the tasks of the request, and predict the validation and the test rows."""
    names = [task.name for task in request.tasks]
    (rows,), (held_out,), (test,) = (part.values() for part in (request.training, request.validation, request.test))
    targets = np.column_stack([rows.targets[name] for name in names])
    scale = StandardScaler().fit(targets)
    width = request.options.get("width", 32)
    model = MLPRegressor(hidden_layer_sizes=(width,), max_iter=10 * request.epochs, random_state=request.seed)
    pipeline = make_pipeline(StandardScaler(), model).fit(rows.inputs, scale.transform(targets).squeeze())

    def predict(inputs: NDArray[Any]) -> dict[str, Any]:
        values = scale.inverse_transform(pipeline.predict(inputs).reshape(len(inputs), -1))
        return dict(zip(names, values.T, strict=True))

    return {"validation": predict(held_out.inputs), "test": predict(test.inputs)}


if __name__ == "__main__":
    pt.add_import_path(Path(__file__).parent)  # other processes import train from this file
    table = load_diabetes(as_frame=True).frame
    arms = ["single", "joint", pt.Arm("wide", options={"width": 128})]
    print(pt.study(table, targets=["target", "bp"], train="train_sklearn:train", arms=arms, seeds=int((*sys.argv, "5")[1]), preset="quick"))
