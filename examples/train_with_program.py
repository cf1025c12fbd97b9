"""Study a shell script that trains, here nearest neighbors in awk: python examples/train_with_program.py [seeds]."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import polytask as pt

SCRIPT = Path(__file__).resolve().with_suffix(".sh")


def train(request: pt.TrainingRequest) -> dict[str, Any]:
    """Write the rows to files, run the script, and read what it has written: sh SCRIPT inputs targets queries neighbors."""
    names = [task.name for task in request.tasks]
    (rows,), (held_out,), (test,) = (part.values() for part in (request.training, request.validation, request.test))
    for name, array in {"inputs": rows.inputs, "validation": held_out.inputs, "test": test.inputs}.items():
        np.savetxt(name, array)  # the working folder is request.folder
    np.savetxt("targets", np.column_stack([rows.targets[name] for name in names]))

    def predict(queries: str, neighbors: int) -> NDArray[Any]:
        command = ["sh", str(SCRIPT), "inputs", "targets", queries, str(neighbors)]
        return np.loadtxt(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines(), ndmin=2)

    wanted = np.column_stack([held_out.targets[name] for name in names])
    errors = {k: (((predict("validation", k) - wanted) / wanted.std(axis=0)) ** 2).mean() for k in (1, 3, 9)}
    values = predict("test", min(errors, key=lambda k: errors[k]))  # one number of neighbors for all tasks of the request
    return dict(zip(names, values.T, strict=True))


if __name__ == "__main__":
    pt.add_import_path(Path(__file__).parent)  # other processes import train from this file
    x = np.random.default_rng(0).normal(size=(300, 3))
    table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "sum": x.sum(1), "square": x[:, 0] ** 2}
    print(pt.study(table, targets=["sum", "square"], train="train_with_program:train", seeds=int((*sys.argv, "3")[1])))
