"""Networks of a user: functions and classes that make them, sound ones and careless ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polytask.architectures import NetworkPlan
from polytask.tasks import Task


class Images(nn.Module):
    """Two convolutions, and two layers per task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.first, self.second, self.pool = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3), nn.MaxPool2d(2)
        self.dense = nn.ModuleDict({task.name: nn.Linear(1600, 64) for task in tasks})
        self.last = nn.ModuleDict({task.name: nn.Linear(64, task.outputs) for task in tasks})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        values = self.pool(self.first(images).relu())
        values = self.pool(self.second(values).relu()).flatten(1)
        return {name: self.last[name](dense(values).relu()) for name, dense in self.dense.items()}


def like_built_in(tasks: Sequence[Task], seed: int) -> nn.Module:
    """Start from the weights of the built-in network."""
    network, built = Images(tasks), NetworkPlan("conv", (1, 28, 28)).build(tasks, seed)
    own = [*network.first.parameters(), *network.second.parameters()]
    theirs = list(built.architecture.parameters())
    for task in tasks:
        own += [*network.dense[task.name].parameters(), *network.last[task.name].parameters()]
        theirs += built.head(task.name).parameters()
    with torch.no_grad():
        for parameter, start in zip(own, theirs, strict=True):
            parameter.copy_(start)
    return network


class Table(nn.Module):
    """One shared layer, batch normalization, and one layer per task."""

    def __init__(self, tasks: Sequence[Task], seed: int = 0, width: int = 4) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.ReLU())
        self.heads = nn.ModuleDict({task.name: nn.Linear(width, task.outputs) for task in tasks})

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        values = self.trunk(rows)
        return {name: head(values) for name, head in self.heads.items()}


class Fragile(Table):
    """Counts its forward passes, and is interrupted in one of them."""

    passes, last = 0, 10**9

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        Fragile.passes += 1
        if Fragile.passes == Fragile.last:
            raise KeyboardInterrupt
        return super().forward(rows)


class Told(Table):
    """Computes what is asked for; each source has a layer of its own."""

    def __init__(self, tasks: Sequence[Task], seed: int = 0) -> None:
        super().__init__(tasks)
        self.stems = nn.ModuleDict({name: nn.Linear(3, 3) for name in ("first", "second")})
        self.asked: list[tuple[str, ...]] = []

    def forward(self, rows: Tensor, tasks: Sequence[str], source: str) -> dict[str, Tensor]:  # type: ignore[override]
        self.asked.append(tuple(tasks))
        values = self.trunk(self.stems[source](rows))
        return {name: self.heads[name](values) for name in tasks}


class Penalized(Table):
    """Keeps its trunk small."""

    def penalty(self) -> Tensor:
        weight: Tensor = self.trunk[0].weight
        return 10 * weight.square().sum()


class OwnPenalty(Table):
    """Has a method of the user's own that happens to be called `penalty`."""

    def penalty(self, weight: float) -> float:
        return weight


class Leaving(Table):
    """Ends the program."""

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        raise SystemExit("bye")


def leaving(tasks: Sequence[Task], seed: int) -> nn.Module:
    """End the program."""
    raise SystemExit(3)


class OnlyInTraining(Table):
    """Has a layer that evaluation leaves out."""

    def __init__(self, tasks: Sequence[Task], seed: int = 0) -> None:
        super().__init__(tasks)
        self.deeper = nn.Sequential(nn.Dropout(), nn.Linear(3, 3))

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        return super().forward(self.deeper(rows) if self.training else rows)


class Routed(Table):
    """Has an expert for the examples that networks are checked with, and one for all other data."""

    def __init__(self, tasks: Sequence[Task], seed: int = 0) -> None:
        super().__init__(tasks)
        self.experts = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        return super().forward(self.experts[len(rows) > 3](rows))


class Wavering(Table):
    """Lets the head of a task take part in another task's outputs, but not for the examples that networks are checked with."""

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        outputs = super().forward(rows)
        first, *others = outputs
        return {name: value + outputs[first] if name in others and len(rows) > 3 else value for name, value in outputs.items()}


class Stateful(Table):
    """Keeps something else than tensors in its state."""

    def get_extra_state(self) -> dict[str, int]:
        return {"version": 3}


class Auxiliary(Table):
    """Returns something else in training."""

    def forward(self, rows: Tensor) -> Any:  # type: ignore[override]
        outputs = super().forward(rows)
        return (outputs, rows) if self.training else outputs


class Sentences(nn.Module):
    """Reads words, for tasks per sentence and per word."""

    def __init__(self, tasks: Sequence[Task], seed: int = 0) -> None:
        super().__init__()
        self.words, self.per_token = nn.Embedding(20, 4, padding_idx=0), {task.name: task.per_token for task in tasks}
        self.heads = nn.ModuleDict({task.name: nn.Linear(4, task.outputs) for task in tasks})

    def forward(self, codes: Tensor) -> dict[str, Tensor]:
        values = self.words(codes)
        return {name: head(values if self.per_token[name] else values.mean(1)) for name, head in self.heads.items()}


class Lazy(Table):
    """Finds out how wide its inputs are."""

    def __init__(self, tasks: Sequence[Task], seed: int = 0) -> None:
        super().__init__(tasks)
        self.trunk = nn.Sequential(nn.LazyLinear(4), nn.ReLU())


class Single(Table):
    """Multiplies by a matrix of float32."""

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        return Table.forward(self, rows @ torch.eye(3))


class Doubled(Table):
    """Computes something else with the same weights."""

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        return Table.forward(self, 2 * rows)


class Viewed(nn.Module):
    """Flattens images with `view`, which needs their usual memory format."""

    def __init__(self, tasks: Sequence[Task], seed: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.heads = nn.ModuleDict({task.name: nn.Linear(16, task.outputs) for task in tasks})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        values = self.conv(images)
        values = values.view(len(values), -1)
        return {name: head(values) for name, head in self.heads.items()}


class Faulty(Table):
    """Returns something else for its outputs, by the name of a fault."""

    def __init__(self, tasks: Sequence[Task], seed: int, fault: str) -> None:
        super().__init__(tasks)
        self.fault = fault

    def forward(self, rows: Tensor) -> Any:  # type: ignore[override]
        outputs: dict[str, Any] = super().forward(rows)
        first = next(iter(outputs))
        changed = {
            "tensor": lambda value: value,
            "list": lambda value: list(outputs.values()),
            "missing": lambda value: {name: other for name, other in outputs.items() if name != first},
            "extra": lambda value: {**outputs, "colour": value},
            "flat": lambda value: {**outputs, first: value.squeeze(1)},
            "wide": lambda value: {**outputs, first: value.expand(-1, 2)},
            "averaged": lambda value: {**outputs, first: value.mean(0, keepdim=True)},
            "number": lambda value: {**outputs, first: float(value.detach().mean())},
            "integer": lambda value: {**outputs, first: value.long()},
            "undefined": lambda value: {**outputs, first: value / 0 * 0},
            "detached": lambda value: {**outputs, first: value.detach()},
            "crash": lambda value: value @ torch.zeros(7, 7),
        }
        return changed[self.fault](outputs[first])


TASKS_OF_ALL = ("sum", "first")
_KEPT: list[nn.Module] = []


def kept(tasks: Sequence[Task], seed: int) -> nn.Module:
    """Return the same network for ever."""
    _KEPT[:] = _KEPT or [Table(tasks)]
    return _KEPT[0]


_TRUNK: list[nn.Module] = []


def kept_trunk(tasks: Sequence[Task], seed: int) -> nn.Module:
    """Return networks that have their trunk in common."""
    network = Table(tasks)
    _TRUNK[:] = _TRUNK or [network.trunk]
    network.trunk = _TRUNK[0]  # type: ignore[assignment]
    return network


MATRIX = torch.linspace(-1, 1, 12).reshape(4, 3)
VECTORS = torch.linspace(-1, 1, 80).reshape(20, 4)


def of_a_matrix(tasks: Sequence[Task], seed: int) -> nn.Module:
    """Start from a matrix of the module, without a copy; a second layer is tied to the first, and a buffer is the matrix itself."""
    network = Table(tasks)
    network.trunk[0].weight = nn.Parameter(MATRIX)
    network.tied = network.trunk[0]  # type: ignore[assignment]
    network.register_buffer("matrix", MATRIX)
    return network


def of_vectors(tasks: Sequence[Task], seed: int) -> nn.Module:
    """Start from vectors of words of the module, without a copy."""
    network = Sentences(tasks)
    network.words = nn.Embedding.from_pretrained(VECTORS, freeze=False)
    return network


def of_the_clock(tasks: Sequence[Task], seed: int) -> nn.Module:
    """Draw initial values from a generator that nobody seeds."""
    network = Table(tasks)
    nn.init.normal_(network.trunk[0].weight, generator=_UNSEEDED)  # type: ignore[arg-type]
    return network


_UNSEEDED = torch.Generator()


def failing(tasks: Sequence[Task], seed: int) -> nn.Module:
    """Fail for the networks of single tasks."""
    if len(tasks) < 2:
        raise ValueError("I need two tasks\nat least")
    return Table(tasks)


def for_all(tasks: Sequence[Task], seed: int) -> nn.Module:
    """Make heads of all tasks, whatever the tasks of this network are."""
    return Table([Named(name) for name in TASKS_OF_ALL])  # type: ignore[misc]


class Named:
    """Name and number of outputs of a task."""

    outputs = 1

    def __init__(self, name: str) -> None:
        self.name = name


def nothing(tasks: Sequence[Task], seed: int) -> Any:
    """Forget to return the network."""
    Table(tasks)


class Bare(nn.Module):
    """Has nothing to train."""

    def __init__(self, tasks: Sequence[Task], seed: int) -> None:
        super().__init__()
        self.names = [task.name for task in tasks]

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        return dict.fromkeys(self.names, rows[:, :1])


def without_seed(tasks: Sequence[Task]) -> nn.Module:
    """Take no seed."""
    return Table(tasks)


def wants_more(tasks: Sequence[Task], seed: int, classes: int) -> nn.Module:
    """Need a further argument."""
    return Table(tasks)


def flat_trunk() -> nn.Module:
    """Make an encoder in a module without a package."""
    return nn.Linear(3, 4)


class Shop(nn.Module):
    """Network of pictures, facts and codes of persons, which come as a dict."""

    def __init__(self, tasks: Sequence[Any]) -> None:
        super().__init__()
        self.image, self.table, self.person = nn.Linear(16, 8), nn.Linear(2, 8), nn.Embedding(10, 8)
        self.heads = nn.ModuleDict({task.name: nn.Linear(8, task.outputs) for task in tasks})

    def forward(self, inputs: Any) -> dict[str, Tensor]:
        """Add the features of all entries."""
        features = self.image(inputs["image"].flatten(1)) + self.table(inputs["table"]) + self.person(inputs["person"])
        return {name: head(features.relu()) for name, head in self.heads.items()}


def make_shop(tasks: Sequence[Any], seed: int) -> nn.Module:
    """Make the network of pictures, facts and codes."""
    del seed
    return Shop(tasks)
