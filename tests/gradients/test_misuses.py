"""Wrong arguments of `Backward`, its calls, its functions of losses and its state, and of `aggregate`: each is named in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import polytask as pt
from polytask.balancing import UPGrad
from polytask.errors import PolytaskError
from polytask.gradients import Backward

TASKS = ("a", "b")


class Net(nn.Module):
    """A trunk, and a head per task."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
        self.heads = nn.ModuleDict({task: nn.Linear(4, 1) for task in TASKS})

    def losses(self) -> dict[str, Tensor]:
        """Two losses."""
        z = self.trunk(torch.ones(5, 3))
        return {"a": self.heads["a"](z).square().mean(), "b": (self.heads["b"](z) - 1).square().mean()}


ANY: Any = None
STATE = {"step": 0, "balancer": {}}
CONSTRUCTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "None as tasks": ({"tasks": None}, "^tasks: a list of names"),
    "a number as tasks": ({"tasks": 2}, "^tasks: a list of names"),
    "bytes as tasks": ({"tasks": b"ab"}, "^tasks: a list of names"),
    "a set of tasks": ({"tasks": {"a", "b"}}, "^tasks: a list of names is needed, in a fixed order"),
    "a generator of tasks": ({"tasks": (task for task in TASKS)}, "^tasks: a list of names"),
    "numbers as names": ({"tasks": [1, 2]}, "^tasks: a list of names is needed .found 1"),
    "None as a name": ({"tasks": ["a", None]}, "^tasks: a list of names is needed .found None"),
    "tasks as objects": ({"tasks": [pt.tasks.Regression(name="a")]}, "^tasks: .*Give the name"),
    "names in lists": ({"tasks": [["a"], ["b"]]}, "^tasks: a list of names"),
    "None as balancer": ({"balancer": None}, "^balancer: "),
    "a balancer in a list": ({"balancer": ["upgrad"]}, "^balancer: "),
    "the abstract class": ({"balancer": pt.balancing.Balancer}, "^balancer: the class is abstract"),
    "an unknown option": ({"balancer": "cagrad(d=1)"}, "^balancer 'cagrad': .*'d'"),
    "an option out of range": ({"balancer": "cagrad(c=-1)"}, "^cagrad, c: "),
    "a weight for one task": ({"balancer": pt.balancing.Fixed({"a": 1.0})}, "^Fixed, weights: every task must be named .*'b'"),
    "a target that is no task": ({"balancer": pt.balancing.MetaBalance("z")}, "^MetaBalance, target: unknown task .found 'z'"),
    "turns of other tasks": ({"balancer": pt.balancing.MomentumConFIG(["x", "y"])}, "^MomentumConFIG, tasks: unknown task"),
    "a class as shared": ({"shared": nn.Linear}, "^shared: "),
    "modules as shared": ({"shared": [nn.Linear(1, 1)]}, "^shared: "),
    "modules by name as shared": ({"shared": {"trunk": nn.Linear(1, 1)}}, "^shared: .*named_parameters"),
    "names with parameters": ({"shared": nn.Linear(1, 1).named_parameters()}, "^shared: .*dict.module.named_parameters"),
    "another model": ({"shared": nn.Linear(1, 1)}, "^shared: no shared parameter is one of the model"),
    "names as shared": ({"shared": ["weight"]}, "^shared: "),
    "a state as shared": ({"shared": nn.Linear(1, 1).state_dict()}, "^shared: shared tensors must be trainable"),
    "integers as shared": ({"shared": [torch.ones(2, dtype=torch.long)]}, "^shared: shared tensors must be trainable"),
    "a computed tensor": ({"shared": [nn.Parameter(torch.ones(2)) * 2]}, "^shared, entry '0': .*the result of a computation"),
    "complex parameters": ({"shared": [nn.Parameter(torch.ones(2, dtype=torch.cfloat))]}, "^shared, entry '0': .*complex"),
    "a name as model": ({"model": "net"}, "^model: an object of class Module"),
    "a class as model": ({"model": nn.Linear}, "^model: an object of class Module"),
    "parameters as model": ({"model": [nn.Parameter(torch.ones(1))]}, "^model: an object of class Module"),
    "a dtype as scaler": ({"scaler": "float16"}, "^scaler: an object of class GradScaler"),
    "a name as group": ({"group": "world"}, "^group: an object of class ProcessGroup"),
    "a word as flag": ({"weight_heads": "yes"}, "^weight_heads: "),
    "None as route": ({"route": None}, "^route: "),
    "a limit of half a step": ({"non_finite_limit": 1.5}, "^non_finite_limit: an integer"),
    "a limit as text": ({"non_finite_limit": "3"}, "^non_finite_limit: an integer"),
}

LOSS = pt.tasks.Loss
CALLS: dict[str, tuple[Callable[[dict[str, Tensor]], Any], dict[str, Any], str]] = {
    "a list of losses": (lambda found: list(found.values()), {}, "^losses: a loss per task name"),
    "their sum": (lambda found: found["a"] + found["b"], {}, "^losses: a loss per task name"),
    "None as losses": (lambda found: None, {}, "^losses: a loss per task name"),
    "numbers as names": (lambda found: {0: found["a"], 1: found["b"]}, {}, "^0: unknown task among the losses"),
    "a complex loss": (lambda found: found | {"a": found["a"].to(torch.cfloat)}, {}, "^task 'a': a loss must be a scalar"),
    "a loss without values": (lambda found: found | {"a": torch.ones((), device="meta", requires_grad=True)}, {}, "^task 'a': .*meta"),
    "an array": (lambda found: found | {"a": found["a"].detach().numpy()}, {}, "^task 'a': a loss must be a scalar"),
    "no numbers": (lambda found: found | {"a": found["a"].repeat(0)}, {}, r"^task 'a': .*shape \(0,\)"),
    "a NaN": (lambda found: found | {"a": found["a"] * torch.nan}, {}, "^task 'a', step 1: the loss is no longer a finite number"),
    "representations by position": (lambda found: found, {"batches": torch.ones(2)}, "^batches: the losses are given already"),
    "a word as representation": (lambda found: found, {"features": "z"}, "^features: a tensor or a list of tensors"),
    "representations by name": (lambda found: found, {"features": {"z": torch.ones(1)}}, "^features: a tensor or a list"),
    "None among representations": (lambda found: found, {"features": [None]}, "^features: a tensor or a list"),
    "a number as penalty": (lambda found: found, {"penalty": 0.1}, "^penalty: a scalar tensor"),
    "a vector as penalty": (lambda found: found, {"penalty": torch.ones(3, requires_grad=True)}, r"^penalty: .*shape \(3,\)"),
    "a penalty of the network": (lambda found: found, {"penalty": lambda net: net}, "^penalty: a function of no arguments"),
    "a penalty that is a number": (lambda found: found, {"penalty": lambda: 0.1}, "^penalty: a scalar tensor"),
    "a number as counts": (lambda found: found, {"counts": 5}, "^counts: a number of labeled units per task"),
    "half a unit": (lambda found: found, {"counts": {"a": 1.5}}, "^counts, task 'a': a number of labeled units"),
    "less than no unit": (lambda found: found, {"counts": {"a": -1}}, "^counts, task 'a': a number of labeled units"),
    "a mean of no units": (lambda found: {"a": LOSS(found["a"], 0)}, {}, "^task 'a', count: .*above 0"),
    "units as text": (lambda found: {"a": LOSS(found["a"], ANY)}, {}, "^task 'a', count: .*above 0"),
    "a word as retain_graph": (lambda found: found, {"retain_graph": "yes"}, "^retain_graph: True or False"),
}

CLOSURES: dict[str, tuple[Callable[[Net], Any], Any, str]] = {
    "nothing is returned": (lambda net: lambda batch: None, [0], "^losses: the function must return a loss per task name"),
    "a sum is returned": (lambda net: lambda batch: sum(net.losses().values()), [0], "^losses: the function must return"),
    "no gradients": (lambda net: lambda batch: {task: loss.detach() for task, loss in net.losses().items()}, [0], "^losses: no loss has"),
    "no argument": (lambda net: net.losses, [0], "^losses: a function of one argument, a batch"),
    "the batch itself": (lambda net: lambda batch: net.losses(), torch.ones(1, 3), r"^batches: .*Write \[batch\]"),
    "a batch by name": (lambda net: lambda batch: net.losses(), {"x": 1}, "^batches: a list of batches"),
    "a number of batches": (lambda net: lambda batch: net.losses(), 1, "^batches: a list of batches"),
    "batches that pass once": (lambda net: lambda batch: net.losses(), iter([0]), "^batches: a list of batches"),
}

STATES: dict[str, Any] = {
    "None": None,
    "nothing": {},
    "that of the network": Net().state_dict(),
    "a text as step": STATE | {"step": "x"},
    "another content": STATE | {"balancer": {"logits": 3}},
}

JACOBIANS: dict[str, tuple[tuple[Any, ...], str]] = {
    "None": ((None,), "^jacobian: "),
    "an array": ((torch.eye(2).numpy(),), "^jacobian: "),
    "rows in a tuple": (((torch.ones(2), torch.ones(2)),), "^jacobian: "),
    "three dimensions": ((torch.ones(2, 2, 2),), "^jacobian: "),
    "complex numbers": ((torch.eye(2, dtype=torch.cfloat),), "^jacobian: "),
    "eight bits": ((torch.eye(2).to(torch.float8_e4m3fn),), "^jacobian: "),
    "no values": ((torch.ones(2, 2, device="meta"),), "^jacobian: .*meta"),
    "a sparse matrix": ((torch.eye(2).to_sparse(),), "^jacobian: .*layout"),
    "a word as losses": ((torch.eye(2), "x"), "^losses: "),
    "losses by name": ((torch.eye(2), {"a": 1.0, "b": 2.0}), "^losses: "),
    "complex losses": ((torch.eye(2), torch.ones(2, dtype=torch.cfloat)), "^losses: "),
    "losses without values": ((torch.eye(2), torch.ones(2, device="meta")), "^losses: .*meta"),
    "an infinite loss": ((torch.eye(2), torch.tensor([1.0, torch.inf])), "^losses: all numbers must be finite"),
}


def check_line(run: Callable[[], object], words: str) -> None:
    with pytest.raises(PolytaskError, match=words) as caught:
        run()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", CONSTRUCTIONS)
def test_a_wrong_argument_of_the_constructor_is_named(case: str) -> None:
    options, words = CONSTRUCTIONS[case]
    given = {"balancer": "upgrad", "tasks": TASKS, "shared": Net().trunk, "model": Net()} | options
    check_line(lambda: Backward(**given), words)


@pytest.mark.parametrize("case", CALLS)
def test_a_wrong_argument_of_a_call_is_named(case: str) -> None:
    change, options, words = CALLS[case]
    net = Net()
    check_line(lambda: Backward("upgrad", tasks=TASKS, shared=net.trunk)(change(net.losses()), **options), words)
    assert net.trunk[0].weight.grad is None


@pytest.mark.parametrize("case", CLOSURES)
def test_a_wrong_function_of_losses_is_named(case: str) -> None:
    closure, batches, words = CLOSURES[case]
    net = Net()
    check_line(lambda: Backward("famo", tasks=TASKS, shared=net.trunk, model=net)(closure(net), batches), words)


@pytest.mark.parametrize("case", STATES)
def test_what_is_no_state_is_named(case: str) -> None:
    check_line(lambda: Backward("uncertainty", tasks=TASKS).load_state_dict(STATES[case]), "^load_state_dict: a state of Backward")


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "a text as step": ("uncertainty", {"step": "x"}),
    "one counter of two": ("uncertainty", {"non_finite": [3]}),
    "texts as weights": ("uncertainty", {"last_weights": {"a": "x"}}),
    "half a balancer": ("momentum-conflict-free", {"balancer": {"turn": 5, "steps": 5, "counts": {"a": 5}, "means": 3}}),
}


def stepped(balancer: str, steps: int, **options: Any) -> Backward:
    """Return a backward pass that has taken steps."""
    net = Net()
    backward = Backward(balancer, tasks=TASKS, shared=net.trunk, **options)
    for _ in range(steps):
        backward(net.losses())
        net.zero_grad()
    return backward


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_state_changes_nothing(case: str) -> None:
    balancer, change = REFUSED[case]
    backward = stepped(balancer, 1)
    before = repr(backward.state_dict())
    check_line(lambda: backward.load_state_dict(stepped(balancer, 3).state_dict() | change), "^load_state_dict: a state of Backward")
    assert repr(backward.state_dict()) == before


def test_a_state_replaces_the_whole_state() -> None:
    used, fresh = stepped("upgrad", 2, unsolved="last"), Backward("upgrad", tasks=TASKS).state_dict()
    assert used.state_dict()["last_weights"]
    used.load_state_dict(fresh)
    assert used.state_dict() == fresh


@pytest.mark.parametrize("case", JACOBIANS)
def test_a_wrong_argument_of_aggregate_is_named(case: str) -> None:
    given, words = JACOBIANS[case]
    check_line(lambda: UPGrad().aggregate(*given), words)


def test_a_state_of_the_same_wrapper_around_another_balancer_is_refused() -> None:
    state = Backward("smooth-weights:uncertainty", tasks=TASKS).state_dict()
    check_line(lambda: Backward("smooth-weights:upgrad", tasks=TASKS).load_state_dict(state), "the same balancer")


def test_a_state_of_other_tasks_is_refused_and_one_of_fewer_is_not() -> None:
    state = Backward("uncertainty", tasks=("a", "c")).state_dict()
    check_line(lambda: Backward("uncertainty", tasks=TASKS).load_state_dict(state), "^load_state_dict: .*the same tasks")
    Backward("uncertainty", tasks=("a", "b", "c")).load_state_dict(state)


def test_gradients_that_were_kept_of_another_network_are_refused() -> None:
    parameter, net = nn.Parameter(torch.ones(7)), Net()
    backward = Backward("moco", tasks=TASKS, shared=parameter)
    backward({"a": parameter.sum(), "b": 2 * parameter.sum()})
    other = Backward("moco", tasks=TASKS, shared=net.trunk)
    other.load_state_dict(backward.state_dict())
    check_line(lambda: other(net.losses()), "^kept gradients, 'a': .*7 numbers for 16 parameters")


def test_a_constant_in_a_function_of_losses_is_an_absent_task() -> None:
    net = Net()
    report = Backward("famo", tasks=TASKS, shared=net.trunk, model=net)(lambda _: net.losses() | {"b": torch.tensor(0.0)}, [0])
    assert list(report.losses) == ["a"]


def test_parameters_that_an_optimizer_has_used_up_are_missed() -> None:
    """A generator gives its parameters once: nothing is shared then."""
    net = Net()
    parameters = net.trunk.parameters()
    torch.optim.SGD(parameters, lr=0.1)
    check_line(lambda: Backward("upgrad", tasks=TASKS, shared=parameters)(net.losses()), "^shared: several tasks reach parameters")


@pytest.mark.parametrize(
    ("second", "counts", "words"),
    [
        ({}, None, "^counts: all micro-batches of a step need the same counts"),
        ({}, {"a": 10, "b": 9}, "^counts: all micro-batches"),
        ({"z": torch.ones(())}, {"a": 10, "b": 10}, "^'z': unknown task"),
        ({"a": torch.ones(2)}, {"a": 10, "b": 10}, "^task 'a': a loss must be a scalar"),
    ],
)
def test_later_micro_batches_are_checked_too(second: dict[str, Tensor], counts: Any, words: str) -> None:
    net = Net()
    backward = Backward("upgrad", tasks=TASKS, shared=net.trunk)
    backward({task: LOSS(loss, 5) for task, loss in net.losses().items()}, counts={"a": 10, "b": 10})
    check_line(lambda: backward({task: LOSS(loss, 5) for task, loss in net.losses().items()} | second, counts=counts), words)


def test_errors_of_the_users_function_are_not_hidden() -> None:
    def closure(batch: object) -> Any:
        return len(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len"):
        Backward("famo", tasks=TASKS, shared=Net().trunk)(closure, [0])


def test_one_shared_tensor_needs_no_list() -> None:
    parameter = nn.Parameter(torch.ones(2))
    Backward("mgda", tasks=TASKS, shared=parameter)({"a": parameter.sum(), "b": 2 * parameter.sum()})
    assert parameter.grad is not None
