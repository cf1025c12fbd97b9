"""The loop itself: what it names, what each source's streams depend on, and what it does with numbers that are none."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import polytask
from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.encoders import MLP, Encoder
from polytask.errors import NonFiniteError
from polytask.registry import names
from polytask.tasks import Regression, Task
from polytask.training import FitResult, fit
from polytask.training.fit_model import build_loop

Table = Callable[..., Source]
CHOICES: dict[str, Any] = {"epochs": 2, "batch_size": 16, "threads": 1, "patience": None}


class Recorded(Encoder):
    """Dropout on the inputs, and a list of the masks that were drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape, self.features = (4,), 4
        self.dropout, self.linear = nn.Dropout(0.5), nn.Linear(4, 4)
        self.masks: list[Tensor] = []

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """One."""
        return (self.linear,)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs to features."""
        mask = self.dropout(torch.ones_like(inputs))
        if self.training:
            self.masks.append(mask.detach())
        return self.linear(inputs * mask)


def beside(rows: int = 64) -> Source:
    random = np.random.default_rng(5)
    return Source("beside", random.normal(size=(rows, 4)).astype("float32"), {"size": random.normal(size=rows)})


def strings_of(path: Path) -> set[str]:
    """Every string in the code of a file that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    }


def test_the_engine_knows_no_method_by_name() -> None:
    """A balancer declares what it needs, and the default is named by the balancers themselves."""
    folder = Path(polytask.__file__).parent
    files = [*(folder / "training").rglob("*.py"), *(folder / "gradients").rglob("*.py")]
    found = {str(path.relative_to(folder)): strings_of(path) & set(names("balancer")) for path in files}
    assert not any(found.values())


def test_masks_of_the_first_source_do_not_depend_on_the_second(table: Table, three_tasks: tuple[Task, ...]) -> None:
    alone, joint = Recorded(), Recorded()
    fit(MultiTaskModel(alone, three_tasks, initialization="framework"), [table()], batch_sizes={"table": 16}, **CHOICES)
    tasks = (*three_tasks, Regression(name="size"))
    fit(MultiTaskModel(joint, tasks, initialization="framework"), [table(), beside()], batch_sizes={"table": 16, "beside": 16}, **CHOICES)
    steps, first = 6, len(alone.masks) // 2  # per epoch; the second source's rows last for four of them
    assert (len(alone.masks), len(joint.masks)) == (12, 12 + 8)
    kept = [mask for number in range(2) for mask in _of_first_source(joint.masks[number * 10 : number * 10 + 10], steps)]
    assert first == steps
    assert all(torch.equal(a, b) for a, b in zip(alone.masks, kept, strict=True))


def _of_first_source(masks: list[Tensor], steps: int) -> list[Tensor]:
    """Sources take turns as long as both have rows."""
    return masks[: 2 * (len(masks) - steps) : 2] + masks[2 * (len(masks) - steps) :]


def test_masks_differ_between_steps_sources_and_seeds(table: Table, three_tasks: tuple[Task, ...]) -> None:
    drawn = []
    for seed in (0, 1):
        encoder = Recorded()
        tasks = (*three_tasks, Regression(name="size"))
        sizes = {"table": 16, "beside": 16}
        fit(MultiTaskModel(encoder, tasks, initialization="framework"), [table(), beside()], batch_sizes=sizes, seed=seed, **CHOICES)
        drawn += [mask.numpy().tobytes() for mask in encoder.masks]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("lr", [1e18, 1e30])
def test_a_last_step_that_diverges_is_not_a_trained_network(table: Table, lr: float) -> None:
    """The loss of the only step was finite; what it led to is not, and no further step would notice."""
    model = MultiTaskModel(MLP((4,), hidden=(8,)), (Regression(name="price"),), initialization="framework")
    choices = CHOICES | {"epochs": 1, "batch_size": 128, "optimizer": "SGD", "lr": lr}
    with pytest.raises(NonFiniteError, match="task 'price', epoch 1, step 1: the validation metric is no longer a finite number") as caught:
        fit(model, [table()], **choices)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_message_names_the_task_that_broke(table: Table, three_tasks: tuple[Task, ...], bad: float) -> None:
    loop, _ = build_loop(
        MultiTaskModel(MLP((4,), hidden=(8,)), three_tasks, initialization="framework"), [table()], **(CHOICES | {"micro_batches": 2})
    )
    with torch.no_grad():
        for parameter in loop.state.model.head("churn").parameters():
            parameter.fill_(bad)
    with pytest.raises(NonFiniteError, match="task 'churn', epoch 1, step 1"):
        loop.run()


def test_counters_count(table: Table, three_tasks: tuple[Task, ...]) -> None:
    """96 training rows and 51, 16 and 8 at a time: six steps of the first, seven of the second."""
    tasks = (*three_tasks, Regression(name="size"))
    model = MultiTaskModel(MLP((4,), hidden=(8,)), tasks, initialization="framework")
    run = fit(model, [table(), beside()], batch_sizes={"table": 16, "beside": 8}, **CHOICES)
    assert (run.epochs, run.steps, run.rows) == (2, 2 * 7, 2 * (96 + 51))
    per_epoch = run.history.groupby("epoch").size()
    assert per_epoch.to_dict() == {1: 3 * 4, 2: 3 * 4}
    assert run.history.groupby("epoch")["step"].unique().map(list).to_dict() == {1: [7], 2: [14]}


def test_equal_weights_are_written_down_as_one(table: Table, three_tasks: tuple[Task, ...]) -> None:
    run = fit(
        MultiTaskModel(MLP((4,), hidden=(8,)), three_tasks, initialization="framework"),
        [table(gaps=0.3)],
        **(CHOICES | {"micro_batches": 3}),
    )
    assert set(run.history.query("name == 'weight'")["value"]) == {1.0}


def test_clipping_bounds_the_norm_of_the_whole_gradient(table: Table, three_tasks: tuple[Task, ...]) -> None:
    """With plain SGD and a learning rate of 1 the step is the gradient."""
    choices = CHOICES | {"optimizer": "SGD", "lr": 1.0, "max_grad_norm": 0.125}
    loop, _ = build_loop(MultiTaskModel(MLP((4,), hidden=(8,)), three_tasks, initialization="framework"), [table()], **choices)
    before = [parameter.detach().clone() for parameter in loop.state.model.parameters()]
    loop.step({"table": loop.data.training["table"].rows.take(torch.arange(16))})
    moved = torch.cat([(new - old).flatten() for old, new in zip(before, loop.state.model.parameters(), strict=True)])
    assert moved.norm().item() == pytest.approx(0.125, rel=1e-4)


def test_one_step_is_the_optimizers_own(table: Table, three_tasks: tuple[Task, ...]) -> None:
    """Against a step written in plain PyTorch: forward, sum of the means, backward, Adam."""
    model, plain = (MultiTaskModel(MLP((4,), hidden=(8,)), three_tasks, initialization="framework") for _ in range(2))
    loop, _ = build_loop(model, [table()], **CHOICES)
    batch = loop.data.training["table"].rows.take(torch.arange(16))
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3, fused=True)
    outputs = plain(batch.normalization(batch.inputs))
    means = [task.loss_per_unit(outputs[task.name], batch.targets[task.name]).mean() for task in loop.data.tasks]
    torch.stack(means).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    loop.state.model.train()
    report = loop.step({"table": batch})
    assert [loss.item() for loss in report.losses.values()] == pytest.approx([mean.item() for mean in means], rel=1e-6)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("balancer", ["equal", "uncertainty"])
def test_gradients_of_an_earlier_backward_belong_to_no_step(table: Table, three_tasks: tuple[Task, ...], balancer: str) -> None:
    def trained(*, stale: bool) -> FitResult:
        model = MultiTaskModel(MLP((4,), hidden=(8,)), three_tasks, initialization="framework")
        if stale:
            for parameter in model.parameters():
                parameter.grad = torch.full_like(parameter, 100.0)
        return fit(model, [table()], balancer, **CHOICES)

    clean, stale = trained(stale=False), trained(stale=True)
    assert clean.history.equals(stale.history)
    assert all(torch.equal(a, b) for a, b in zip(clean.model.parameters(), stale.model.parameters(), strict=True))
