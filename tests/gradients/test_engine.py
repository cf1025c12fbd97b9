"""`Backward` against slow references: what lands in `.grad`, whatever the balancer needs and however the step is cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, final

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import Balancer, Direction, Equal, Fixed, Gramian, Jacobian, Losses, Needs, Statistic, Uncertainty, Weights
from polytask.errors import ConfigError
from polytask.gradients import Backward, backward
from polytask.tasks import Loss

TASKS = ("a", "b", "c")


@final
class FromLosses(Balancer):
    """w_t = 1 / L_t: depends on this step's losses."""

    def __init__(self, heads: bool) -> None:
        self.heads = heads

    def needs(self) -> Needs:
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        return Weights(1 / statistic.losses, heads=self.heads)


@final
class FromGramian(Balancer):
    """w_t = 1 / |g_t|."""

    def needs(self) -> Needs:
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        return Weights(statistic.gramian().diagonal().rsqrt(), heads=False)


@final
class FromJacobian(Balancer):
    """The sum of the signs."""

    def needs(self) -> Needs:
        return Jacobian()

    def weigh(self, statistic: Statistic) -> Direction:
        return Direction(statistic.jacobian().sign().sum(dim=0))


MAKERS: Mapping[str, Callable[[], Balancer]] = {
    "equal": Equal,
    "fixed": lambda: Fixed({"a": 0.3, "b": 2.0, "c": 1.0}),
    "uncertainty": lambda: Uncertainty(initial_value=0.7),
    "losses": lambda: FromLosses(heads=True),
    "losses, heads plain": lambda: FromLosses(heads=False),
    "gramian": FromGramian,
    "jacobian": FromJacobian,
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


class Net(nn.Module):
    """A trunk and three heads, in float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh())
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1) for task in TASKS})
        self.double()

    def losses(self, rows: slice = slice(None), labeled: Mapping[str, Tensor] | None = None) -> dict[str, Loss]:
        """Squared errors over the labeled rows; a task without any is absent."""
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(12, 4, generator=generator, dtype=torch.float64)[rows]
        z = self.trunk(x)
        found = {}
        for number, task in enumerate(TASKS):
            mask = torch.ones(12, dtype=torch.bool) if labeled is None else labeled[task]
            units = (self.heads[task](z).squeeze(1) - x[:, number]) ** 2
            if mask[rows].any():
                found[task] = Loss(units[mask[rows]].sum(), int(mask[rows].sum()))
        return found

    def grads(self) -> dict[str, Tensor | None]:
        return {name: None if p.grad is None else p.grad.clone() for name, p in self.named_parameters()}


def reference(make: Callable[[], Balancer], losses: Callable[[Net], dict[str, Loss]]) -> dict[str, Tensor | None]:
    """`.grad` from one `autograd.grad` per task and parameter, put together as the method's words say."""
    net = Net()
    found = losses(net)
    tasks = [task for task in TASKS if task in found]
    shared = list(net.trunk.parameters())
    rows = {task: torch.autograd.grad(found[task].mean, shared, retain_graph=True) for task in tasks}
    matrix = torch.stack([torch.cat([g.flatten() for g in rows[task]]) for task in tasks])
    means = torch.stack([found[task].mean.detach() for task in tasks])
    from polytask.balancing.matrix_to_statistic import MatrixStatistic

    answer = make().weigh(MatrixStatistic(matrix, means.double(), tuple(tasks)))
    direction = answer.values if isinstance(answer, Direction) else matrix.T @ answer.values
    heads = answer.values.tolist() if isinstance(answer, Weights) and answer.heads else [1.0] * len(tasks)
    grads: dict[str, Tensor | None] = dict.fromkeys(dict(net.named_parameters()))
    pieces = direction.split([p.numel() for p in shared])  # type: ignore[no-untyped-call]
    for (name, parameter), piece in zip(net.trunk.named_parameters(), pieces, strict=True):
        grads[f"trunk.{name}"] = piece.view_as(parameter)
    for task, weight in zip(tasks, heads, strict=True):
        for name, parameter in net.heads[task].named_parameters():
            (gradient,) = torch.autograd.grad(found[task].mean, [parameter], retain_graph=True)
            grads[f"heads.{task}.{name}"] = weight * gradient
    return grads


def assert_same(found: Mapping[str, Tensor | None], expected: Mapping[str, Tensor | None]) -> None:
    for name, value in expected.items():
        other = found[name]
        assert (other is None) == (value is None), name
        if value is not None and other is not None:
            assert torch.allclose(other, value, rtol=1e-12, atol=1e-14), name


@every
@pytest.mark.parametrize("named", [True, False])
def test_it_agrees_with_the_slow_reference(make: Callable[[], Balancer], named: bool) -> None:
    net = Net()
    Backward(make(), tasks=TASKS, shared=net.trunk if named else None)(net.losses())
    assert_same(net.grads(), reference(make, lambda net: net.losses()))


def test_equal_is_the_plain_sum_bit_for_bit() -> None:
    ours, theirs = Net(), Net()
    backward({task: loss.mean for task, loss in ours.losses().items()}, Equal())
    losses = [loss.mean for loss in theirs.losses().values()]
    (losses[0] + losses[1] + losses[2]).backward()  # type: ignore[no-untyped-call]
    for name, gradient in theirs.grads().items():
        assert torch.equal(ours.grads()[name], gradient)


GAPS = {
    "a": torch.tensor([1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 1], dtype=torch.bool),
    "b": torch.tensor([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1], dtype=torch.bool),
    "c": torch.tensor([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], dtype=torch.bool),
}


@every
@pytest.mark.parametrize("cuts", [(6,), (1, 7), (4, 8, 10)])
def test_micro_batches_are_the_whole_step(make: Callable[[], Balancer], cuts: tuple[int, ...]) -> None:
    """With gaps, so that counts differ and tasks are absent in some of them; and three steps, so that balancers learn."""
    whole, cut = Net(), Net()
    first, second = make(), make()
    full, micro = Backward(first, tasks=TASKS, shared=whole.trunk), Backward(second, tasks=TASKS, shared=cut.trunk)
    counts = {task: int(mask.sum()) for task, mask in GAPS.items()}
    edges = [0, *cuts, 12]
    for _ in range(3):
        whole.zero_grad()
        cut.zero_grad()
        full(whole.losses(labeled=GAPS))
        for start, end in pairwise(edges):
            report = micro(cut.losses(slice(start, end), GAPS), counts=counts)
        assert_same(cut.grads(), whole.grads())
    assert micro.step == full.step == 3
    assert set(report.losses) == set(TASKS)
    for task, memory in first.state_dict().items():
        assert second.state_dict()[task]["value"] == pytest.approx(memory["value"], abs=1e-12)


@every
def test_an_absent_task_has_no_part(make: Callable[[], Balancer]) -> None:
    net = Net()
    both = {"a": GAPS["a"], "b": torch.zeros(12, dtype=torch.bool), "c": GAPS["a"]}
    Backward(make(), tasks=TASKS, shared=net.trunk)(net.losses(labeled=both))
    assert all(parameter.grad is None for parameter in net.heads["b"].parameters())
    assert_same(net.grads(), reference(make, lambda net: net.losses(labeled=both)))


@pytest.mark.parametrize("make", [Equal, MAKERS["fixed"]])
def test_an_absent_task_changes_no_bit_of_the_others(make: Callable[[], Balancer]) -> None:
    """Tasks on rows of their own: b's absence must not be felt by a and c."""
    with_b, without_b = Net(), Net()
    absent = {"a": GAPS["a"], "b": torch.zeros(12, dtype=torch.bool), "c": GAPS["c"]}
    Backward(make(), tasks=TASKS, shared=without_b.trunk)(without_b.losses(labeled=absent))
    Backward(make(), tasks=TASKS, shared=with_b.trunk)(with_b.losses(labeled=absent | {"b": GAPS["b"]}))
    for task in ("a", "c"):
        for ours, theirs in zip(with_b.heads[task].parameters(), without_b.heads[task].parameters(), strict=True):
            assert torch.equal(ours.grad, theirs.grad)


@every
def test_a_penalty_stands_beside_the_balancer(make: Callable[[], Balancer]) -> None:
    net, plain = Net(), Net()
    penalty = sum((p**2).sum() for p in net.parameters())
    assert isinstance(penalty, Tensor)
    Backward(make(), tasks=TASKS, shared=net.trunk)(net.losses(), penalty=penalty)
    Backward(make(), tasks=TASKS, shared=plain.trunk)(plain.losses())
    expected = {name: g + 2 * dict(net.named_parameters())[name].detach() for name, g in plain.grads().items() if g is not None}
    assert_same(net.grads(), expected)


def test_a_step_without_any_task_is_its_penalty() -> None:
    net = Net()
    step = Backward(Equal(), tasks=TASKS, shared=net.trunk)
    report = step({}, penalty=(net.heads["a"].weight ** 2).sum())
    assert report.losses == {}
    assert torch.equal(net.heads["a"].weight.grad, 2 * net.heads["a"].weight.detach())


@every
def test_gradients_add_up_as_pytorchs_do(make: Callable[[], Balancer]) -> None:
    net, once = Net(), Net()
    if make is MAKERS["uncertainty"]:
        return  # it learns in between
    twice = Backward(make(), tasks=TASKS, shared=net.trunk)
    twice(net.losses())
    twice(net.losses())
    Backward(make(), tasks=TASKS, shared=once.trunk)(once.losses())
    assert_same(net.grads(), {name: 2 * g for name, g in once.grads().items() if g is not None})


@every
def test_a_loss_scaler_is_invisible(make: Callable[[], Balancer]) -> None:
    net, plain = Net(), Net()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    Backward(make(), tasks=TASKS, shared=net.trunk, scaler=scaler)(net.losses())
    scaler.unscale_(optimizer)
    Backward(make(), tasks=TASKS, shared=plain.trunk)(plain.losses())
    assert_same(net.grads(), plain.grads())


def test_a_bad_scaled_step_is_skipped_and_not_shown_to_the_balancer() -> None:
    net = Net()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    losses = net.losses()
    losses["a"] = Loss(losses["a"].sum * float("inf"), losses["a"].count)

    @final
    class MustNotSee(Balancer):
        def needs(self) -> Needs:
            return Gramian()

        def weigh(self, statistic: Statistic) -> Weights:
            raise AssertionError("the balancer saw a bad step")

    Backward(MustNotSee(), tasks=TASKS, shared=net.trunk, scaler=scaler)(losses)
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(before[name], p.detach()) for name, p in net.named_parameters())
    assert scaler.get_scale() < 2.0**10


def test_a_parameter_that_two_of_three_tasks_reach_is_shared() -> None:
    side, trunk = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    losses = {"a": (trunk * side).sum(), "b": (2 * trunk * side).sum(), "c": (trunk**3).sum()}
    step = Backward(FromGramian(), tasks=TASKS)
    step(losses)
    norms = [2.0, 4.0, 18.0**0.5]
    assert side.grad.tolist() == pytest.approx([1 / norms[0] + 2 / norms[1]] * 2)
    assert trunk.grad.tolist() == pytest.approx([1 / norms[0] + 2 / norms[1] + 3 / norms[2]] * 2)


def test_frozen_parameters_stay_without_gradient() -> None:
    net = Net()
    for parameter in net.trunk[0].parameters():
        parameter.requires_grad = False
    Backward(FromGramian(), tasks=TASKS, shared=net.trunk)(net.losses())
    assert all(p.grad is None for p in net.trunk[0].parameters())
    assert all(p.grad is not None for p in net.trunk[2].parameters())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Backward(Equal(), tasks=()), "`tasks` must be non-empty and unique"),
        (lambda: Backward(Equal(), tasks=("a", "a")), "`tasks` must be non-empty and unique"),
        (lambda: Backward(Equal(), tasks=("a",))({"b": torch.ones((), requires_grad=True)}), "unknown task"),
        (lambda: Backward(Equal(), tasks=("a",))({"a": torch.ones((), requires_grad=True)}, counts={"a": 2}), "losses with counts"),
        (
            lambda: Backward(Equal(), tasks=("a",))({"a": Loss(torch.ones((), requires_grad=True), 3)}, counts={"a": 2}),
            "more labeled units",
        ),
        (lambda: Backward(FromGramian(), tasks=("a", "b"))({"a": torch.ones((), requires_grad=True)}), "while a task is absent"),
        (lambda: Backward(FromGramian(), tasks=("a",), shared=[3.0]), "must be a module or tensors"),  # type: ignore[list-item]
    ],
)
def test_what_cannot_be_is_refused_in_one_line(call: Callable[[], object], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_balancer_that_looks_at_what_it_did_not_ask_for() -> None:
    @final
    class Greedy(Balancer):
        def needs(self) -> Needs:
            return Losses()

        def weigh(self, statistic: Statistic) -> Weights:
            return Weights(statistic.gramian().diagonal(), heads=True)

    with pytest.raises(ConfigError, match="must declare every statistic that it uses"):
        Backward(Greedy(), tasks=("a",))({"a": torch.ones((), requires_grad=True) * 2})


def test_it_goes_on_from_its_state() -> None:
    first, second = Net(), Net()
    whole = Backward(Uncertainty(), tasks=TASKS, shared=first.trunk)
    for _ in range(3):
        whole(first.losses())
    other = Backward(Uncertainty(), tasks=TASKS, shared=second.trunk)
    other.load_state_dict(whole.state_dict())
    assert other.step == 3
    first.zero_grad()
    assert other(second.losses()).weights == whole(first.losses()).weights


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"non_finite": "rais"}, "Did you mean 'raise'"),
        ({"route": "sequental"}, "Did you mean 'sequential'"),
        ({"tasks": "ab"}, "a list of names is needed"),
    ],
)
def test_wrong_options_are_refused(options: Mapping[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Backward(Equal(), **{"tasks": ("a", "b"), **options})  # type: ignore[arg-type]


def explained(shared: str, *, with_model: bool = False) -> str:
    """What `explain()` says about the shared parameters after a step of a model with a trunk of two layers."""
    net = nn.ModuleDict({"trunk": nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3)), "head": nn.Linear(3, 2)})
    given: Any = {"found": None, "module": net["trunk"], "list": list(net["trunk"].parameters())}[shared]
    backward = Backward("upgrad", tasks=("a", "b"), shared=given, model=net if with_model else None, outside="sum")
    outputs = net["head"](net["trunk"](torch.ones(5, 4)))
    backward({"a": outputs[:, 0].mean(), "b": outputs[:, 1].mean()})
    (line,) = [line for line in backward.explain().splitlines() if line.startswith("shared parameters")]
    return line.partition("tensors: ")[2]


def test_explain_names_shared_parameters_as_the_model_does() -> None:
    names = "trunk.0.weight, trunk.0.bias, trunk.1.weight, trunk.1.bias"
    assert explained("module") == names.replace("trunk.", "")
    assert explained("module", with_model=True) == names
    assert explained("list", with_model=True) == names
    found = set(explained("found", with_model=True).split(", "))
    assert found == {*names.split(", "), "head.weight", "head.bias"}


def test_explain_describes_tensors_without_names_by_number_and_shape() -> None:
    shapes = ("(6, 4)", "(6,)", "(3, 6)", "(3,)")
    assert explained("list") == ", ".join(f"tensor {number} of shape {shape}" for number, shape in enumerate(shapes))
    assert "of shape (3, 6)" in explained("found")
