"""What callers of `fit` do wrong: one line each, before anything is computed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.encoders import MLP
from polytask.errors import PolytaskError
from polytask.options import TrainingOptions
from polytask.tasks import Binary, Multiclass, Regression
from polytask.training import fit

X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
LABELS = {"a": X[:, 0], "b": (X[:, 1] > 0).astype(int)}
TASKS = (Regression(name="a"), Binary(name="b"))


def source(**changes: Any) -> Source:
    return Source(**({"name": "s", "inputs": X, "labels": LABELS} | changes))


def network() -> MultiTaskModel:
    return MultiTaskModel(MLP((3,), hidden=(4,)), TASKS, initialization="framework")


def fitted(**changes: Any) -> Callable[[], object]:
    """A call of `fit` with a changed argument."""
    given: dict[str, Any] = {"model": TASKS, "sources": [source()], "epochs": 1, "threads": 1} | changes
    return lambda: fit(given.pop("model"), given.pop("sources"), **given)


def fitted_to(**changes: Any) -> Callable[[], object]:
    """A call of `fit` with a changed source."""
    return lambda: fit(TASKS, [source(**changes)], epochs=1, threads=1)


MISUSES: dict[str, tuple[Callable[[], object], str]] = {
    "a name as tasks": (fitted(model="a"), "^tasks: "),
    "names as tasks": (fitted(model=["a", "b"]), "^tasks, entry 1: "),
    "classes as tasks": (fitted(model=[Regression, Binary]), "^tasks, entry 1: "),
    "one task": (fitted(model=TASKS[0]), "^tasks: a sequence"),
    "no task": (fitted(model=[]), "^tasks: at least one"),
    "a name twice": (fitted(model=[TASKS[0], TASKS[0]]), "^tasks: .*only once"),
    "a task without labels": (fitted(model=[*TASKS, Regression(name="c")]), "^task 'c': no source labels this task"),
    "a module": (fitted(model=nn.Linear(3, 1)), "^model: "),
    "a network without values": (fitted(model=network().to("meta")), "^model: .*meta"),
    "a network of another precision": (fitted(model=network().double()), "^model: .*float64"),
    "a network for other inputs": (fitted(model=network(), sources=[source(inputs=X[:, :2])]), "^model: inputs of 3 features"),
    "a frozen network": (fitted(model=network().requires_grad_(requires_grad=False)), "^freeze: nothing is left to train"),
    "None as sources": (fitted(sources=None), "^sources: "),
    "no source": (fitted(sources=[]), "^sources: at least one"),
    "one source": (fitted(sources=source()), "^sources: .*Pass a list"),
    "an array as source": (fitted(sources=[X]), "^sources, entry 1: "),
    "a source twice": (fitted(sources=[source(), source()]), "^source 's': source names must be unique"),
    "an empty source": (
        fitted(sources=[source(inputs=X[:0], labels={task: own[:0] for task, own in LABELS.items()})]),
        "^source 's': too few",
    ),
    "None as labels": (fitted_to(labels=None), "^source 's', labels: one array per task"),
    "an array as labels": (fitted_to(labels=X[:, 0]), "^source 's', labels: one array per task"),
    "no name": (fitted_to(name=""), "^name: a source needs a name"),
    "None as name": (fitted_to(name=None), "^name: a source needs a name"),
    "labels of other rows": (fitted_to(labels=LABELS | {"a": X[:5, 0]}), "^source 's', 'a': exactly one entry per row"),
    "labels of two dimensions": (fitted_to(labels=LABELS | {"a": X[:, :1]}), "^source 's', 'a': exactly one entry per row"),
    "labels all missing": (fitted_to(labels=LABELS | {"a": X[:, 0] * np.nan}), "^task 'a': .*0 labels"),
    "an infinite label": (fitted_to(labels=LABELS | {"a": np.where(X[:, 0] > 1, np.inf, X[:, 0])}), "^task 'a', row .*infinite"),
    "texts as numbers": (fitted_to(labels=LABELS | {"a": np.full(60, "x")}), "^task 'a', row 1: a label is not a number"),
    "NaN in inputs": (fitted_to(inputs=np.where(X > 2, np.nan, X)), "^source 's', row .*finite"),
    "texts as inputs": (fitted_to(inputs=np.full((60, 3), "x")), "^source 's': inputs must be numbers"),
    "no features": (fitted_to(inputs=X[:, :0]), "at least one feature"),
    "negative weights": (fitted_to(weights={"a": -np.ones(60)}), "^source 's', task 'a', row .*at least 0"),
    "texts as weights": (fitted_to(weights={"a": np.full(60, "x")}), "^source 's', task 'a': a row's weight must be a number"),
    "an array as weights": (fitted_to(weights=np.ones(60)), "^source 's', weights: one array per task"),
    "weights of a stranger": (fitted_to(weights={"z": np.ones(60)}), "^source 's', weights: .*'z'"),
    "all rows held out": (fitted_to(held_out=np.ones(60, dtype=bool)), "^source 's', 'held_out': "),
    "texts as mask": (fitted_to(held_out=np.full(60, "x")), "^source 's', 'held_out': "),
    "no balancer": (fitted(balancer=nn.Linear(1, 1)), "^balancer: "),
    "an unknown balancer": (fitted(balancer="upgard"), "^upgard: unknown balancer"),
    "weights for one task": (fitted(balancer="fixed(weights={'a': 1.0})"), "^Fixed, weights: every task must be named .*'b'"),
    "an unknown encoder": (fitted(encoder="nope"), "^nope: unknown encoder"),
    "a module as architecture": (fitted(architecture=nn.Linear), "^architecture: "),
    "parts of a given network": (fitted(model=network(), architecture="mmoe"), "^fit: a network already has"),
    "no epochs": (fitted(epochs=0), "^training, epochs: "),
    "half an epoch": (fitted(epochs=1.5), "^training, epochs: "),
    "a negative rate": (fitted(lr=-0.1), "^training, lr: "),
    "NaN as rate": (fitted(lr=float("nan")), "^training, lr: "),
    "an unknown option": (fitted(learning_rate=0.1), "^training, learning_rate: unknown option"),
    "an unknown optimizer": (fitted(optimizer="Adma"), "^Adma: unknown optimizer. Did you mean"),
    "a learning rate among the optimizer's options": (fitted(optimizer_options={"lr": 3.0}), "^optimizer_options, 'lr': "),
    "a number of classes": (lambda: Multiclass(name="a", classes=3), "^task 'a', classes: the classes must be listed"),  # type: ignore[arg-type]
    "an optimizer's unknown option": (fitted(optimizer_options={"z": 1}), "^optimizer 'Adam': "),
    "an unknown part": (fitted(freeze=("nope",)), "^nope: no parameter has that name"),
    "threads without end": (fitted(threads=10**6), "^training, threads: "),
    "an unknown policy": (fitted(non_finite="ignore"), "^training, non_finite: "),
    "a word as seed": (fitted(seed="x"), "^seed: an integer"),
    "a fraction as seed": (fitted(seed=1.5), "^seed: an integer"),
    "no seed": (fitted(seed=None), "^seed: an integer"),
    "one batch size": (fitted(batch_sizes=16), "^batch_sizes: a batch size per source"),
    "a batch size as text": (fitted(batch_sizes={"s": "x"}), "^batch_sizes, source 's': "),
    "the batch size of a stranger": (fitted(batch_sizes={"s": 16, "z": 3}), "^batch_sizes, source 'z': there is no such source"),
    "the batch size of a source without labels, as text": (
        fitted(sources=[source(), source(name="other", labels={"c": X[:, 0]})], batch_sizes={"s": 16, "other": "x"}),
        "^batch_sizes, source 'other': every source must have a batch size of at least 1",
    ),
    "a number as progress": (fitted(progress=3), "^progress: a function"),
    "a pause before the start": (fitted(stop_after_epoch=0), "^stop_after_epoch: "),
    "a number as callbacks": (fitted(callbacks=3), "^callbacks: a list of callbacks"),
    "a function as callback": (fitted(callbacks=[lambda: None]), "^callbacks: a callback is needed"),
    "options by name": (fitted(options={"epochs": 1}), "^options: an object of class TrainingOptions"),
    "a number as checkpoint": (fitted(checkpoint=3), "^checkpoint: a folder"),
    "a file as checkpoint": (fitted(checkpoint=__file__), "^checkpoint: a folder"),
}


@pytest.mark.parametrize("case", MISUSES)
def test_a_misuse_is_one_line(case: str) -> None:
    run, words = MISUSES[case]
    began = time.monotonic()
    with pytest.raises(PolytaskError, match=words) as caught:
        run()
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 60


def test_tensors_with_a_graph_are_arrays() -> None:
    labels = {"a": torch.tensor(X[:, 0], requires_grad=True), "b": LABELS["b"]}
    given = fitted_to(inputs=torch.tensor(X, requires_grad=True), labels=labels)()
    assert given.validation == fitted_to()().validation  # type: ignore[attr-defined]


def test_a_checkpoint_may_be_a_text(tmp_path: Any) -> None:
    fit(TASKS, [source()], checkpoint=str(tmp_path / "run"), options=TrainingOptions(epochs=1, threads=1))
    assert (tmp_path / "run").is_dir()


def test_a_source_without_labels_may_have_a_batch_size() -> None:
    other = source(name="other", labels={"c": X[:, 0]})
    named = fit(TASKS, [source(), other], batch_sizes={"s": 16, "other": 8}, epochs=1, threads=1)
    alone = fit(TASKS, [source()], batch_sizes={"s": 16}, epochs=1, threads=1)
    assert named.validation == alone.validation
