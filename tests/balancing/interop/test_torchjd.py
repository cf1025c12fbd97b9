"""TorchJD's objects as balancers: the same answers as from TorchJD itself, in steps, in `Backward`, and after the disk."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import CrossGramian, Direction, Gramian, Jacobian, Losses, Weights
from polytask.balancing.factory import balancer_named
from polytask.balancing.interop.torchjd import TorchJD
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.balancing.wrappers import SmoothWeights
from polytask.errors import ConfigError, MissingExtraError
from polytask.gradients import Backward
from polytask.registry.resolve import resolve
from polytask.storage import load_state, save_state
from polytask.studies.spec.arms import parse_arm

pytest.importorskip("torchjd", reason="the extra `torchjd` is not installed")

from torchjd import aggregation, scalarization

NAMES = ("a", "b", "c", "d")
R = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)


def step(seed: int, count: int = 4) -> MatrixStatistic:
    random = torch.Generator().manual_seed(seed)
    matrices = [torch.randn(count, 6, generator=random, dtype=torch.float64) for _ in range(3)]
    losses = torch.rand(count, generator=random, dtype=torch.float64) + 0.5
    return MatrixStatistic(matrices[0], losses, NAMES[:count], seed, (matrices[1], matrices[2]))


def taken(balancer: TorchJD, seen: MatrixStatistic) -> Any:
    answer = balancer.weigh(seen)
    balancer.update_state(seen)
    return answer


BY_GRAMIAN: list[Callable[[], Any]] = [
    aggregation.AlignedMTL,
    aggregation.MGDA,
    aggregation.IMTLG,
    lambda: aggregation.Krum(n_byzantine=1, n_selected=2),
]
BY_ROWS: list[Callable[[], Any]] = [aggregation.Mean, aggregation.Sum, lambda: aggregation.Constant(R)]
DIRECTIONS: list[Callable[[], Any]] = [lambda: aggregation.TrimmedMean(trim_number=1), aggregation.ConFIG]
SCALARS: list[Callable[[], Any]] = [
    lambda: scalarization.COSMOS(0.5, R),
    lambda: scalarization.PBI(2.0, R, torch.zeros(4, dtype=torch.float64)),
    lambda: scalarization.STCH(0.3),
    scalarization.GeometricMean,
    scalarization.Mean,
]


@pytest.mark.parametrize("make", [*BY_GRAMIAN, *BY_ROWS, *DIRECTIONS])
@pytest.mark.parametrize("multiply_by_tasks", [False, True])
def test_an_aggregators_direction_is_its_own(make: Callable[[], Any], multiply_by_tasks: bool) -> None:
    seen = step(0)
    ours = TorchJD(make(), multiply_by_tasks=multiply_by_tasks).aggregate(seen.matrix)
    assert torch.allclose(ours, make()(seen.matrix) * (4 if multiply_by_tasks else 1), rtol=1e-9)


@pytest.mark.parametrize(("makes", "needs", "kind"), [
    (BY_GRAMIAN, Gramian(), Weights), (BY_ROWS, Jacobian(), Weights), (DIRECTIONS, Jacobian(), Direction)
])  # fmt: skip
def test_it_asks_for_as_little_as_the_object_looks_at(makes: list[Callable[[], Any]], needs: object, kind: type) -> None:
    for make in makes:
        balancer = TorchJD(make())
        assert balancer.needs() == needs
        answer = balancer.weigh(step(0))
        assert isinstance(answer, kind)
        assert not getattr(answer, "heads", False)


@pytest.mark.parametrize("make", SCALARS)
def test_a_scalarizers_weights_are_its_derivative_and_hold_for_heads(make: Callable[[], Any]) -> None:
    seen, balancer = step(1), TorchJD(make())
    assert balancer.needs() == Losses()
    values = seen.losses.clone().requires_grad_()
    make()(values).backward()
    answer = balancer.weigh(seen)
    assert isinstance(answer, Weights)
    assert answer.heads
    assert torch.allclose(answer.values, values.grad, rtol=1e-12)
    assert answer.values.dtype == torch.float64
    assert not answer.values.requires_grad


def test_the_same_inside_no_grad_as_training_loops_may_have_it() -> None:
    balancer = TorchJD(scalarization.PBI(2.0, R))
    expected = balancer.weigh(step(1)).values
    with torch.no_grad():
        assert torch.equal(balancer.weigh(step(1)).values, expected)


def test_krum_written_down() -> None:
    """One of four is an outlier: of the others, the one whose n − f − 2 = 1 nearest is nearest."""
    rows = torch.tensor([[1.0, 0.0], [1.1, 0.0], [0.5, 0.5], [-50.0, 9.0]], dtype=torch.float64)
    assert TorchJD(aggregation.Krum(n_byzantine=1)).aggregate(rows).tolist() in ([1.0, 0.0], [1.1, 0.0])


def test_pbi_written_down() -> None:
    """d₁ + θ d₂ with the unit vector along R: its derivative by hand."""
    seen, theta = step(2), 3.0
    unit = R / R.norm()
    along = seen.losses @ unit
    across = seen.losses - along * unit
    expected = unit + theta * across / across.norm()
    assert torch.allclose(TorchJD(scalarization.PBI(theta, R)).weigh(seen).values, expected, rtol=1e-6)


def test_learned_parameters_get_their_gradient_for_the_users_optimizer() -> None:
    scalarizer, seen = scalarization.UW(4), step(3)
    balancer = TorchJD(scalarizer)
    assert torch.allclose(balancer.weigh(seen).values, torch.full((4,), 0.5, dtype=torch.float64))
    expected = 0.5 - 0.5 * seen.losses.float()
    assert torch.allclose(scalarizer.log_var.grad, expected)
    balancer.weigh(seen)
    assert torch.allclose(scalarizer.log_var.grad, 2 * expected)  # as PyTorch's do, gradients add up


@pytest.mark.parametrize("make", [aggregation.AlignedMTLWeighting, aggregation.MGDAWeighting])
def test_a_weighting_looks_at_the_gramian(make: Callable[[], Any]) -> None:
    seen = step(0)
    assert torch.allclose(TorchJD(make()).weigh(seen).values, make()(seen.gramian()), rtol=1e-12)


@pytest.mark.parametrize("make", [aggregation.MoDoWeighting, aggregation.SDMGradWeighting])
def test_weightings_of_two_batches_see_both_and_weigh_a_third(make: Callable[[], Any]) -> None:
    balancer, plain = TorchJD(make()), make()
    assert isinstance(balancer.needs(), CrossGramian)
    assert (balancer.batches, balancer.step_batches) == (3, "last")
    for seed in range(3):
        seen = step(seed)
        assert torch.allclose(taken(balancer, seen).values, plain(seen.cross_gramian(0, 1)), rtol=1e-12)


def test_what_a_weighting_of_ones_own_looks_at_can_be_said() -> None:
    class Longest(aggregation.Weighting):  # type: ignore[misc]
        def forward(self, matrix: Tensor) -> Tensor:
            return matrix.norm(dim=1)

    seen = step(0)
    by_rows = TorchJD(Longest(), statistic="jacobian")
    assert by_rows.needs() == Jacobian()
    assert torch.allclose(by_rows.weigh(seen).values, seen.matrix.norm(dim=1))
    composed = TorchJD(Longest() << (lambda matrix: 2 * matrix))
    assert composed.needs() == Jacobian()
    assert torch.allclose(composed.weigh(seen).values, 2 * seen.matrix.norm(dim=1))


@pytest.mark.parametrize("make", [aggregation.PCGrad, aggregation.GradVac, aggregation.GradDrop, aggregation.Random, scalarization.Random])
def test_random_numbers_are_the_balancers_own(make: Callable[[], Any]) -> None:
    def said(seed: int) -> list[float]:
        balancer = TorchJD(make())
        balancer.seed(seed)
        return torch.cat([taken(balancer, step(number)).values for number in range(4)]).tolist()

    before = torch.get_rng_state()
    first, again, other = said(1), said(1), said(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert first == again != other


STATEFUL: list[Callable[[], Any]] = [
    aggregation.GradVac,
    aggregation.GradDrop,
    aggregation.ExcessMTL,
    aggregation.MoDoWeighting,
    aggregation.SDMGradWeighting,
    lambda: aggregation.CRMOGMWeighting(aggregation.MGDAWeighting()),
    lambda: aggregation.GramianWeightedAggregator(aggregation.CRMOGMWeighting(aggregation.AlignedMTLWeighting())),
    scalarization.DWA,
    lambda: scalarization.UW(4),
]


@pytest.mark.parametrize("make", STATEFUL)
def test_what_it_remembers_survives_the_disk_bit_for_bit(make: Callable[[], Any], tmp_path: Path) -> None:
    whole = TorchJD(make())
    for seed in range(3):
        save_state(tmp_path / str(seed), whole.state_dict())
        other = TorchJD(make())
        other.load_state_dict(load_state(tmp_path / str(seed)))
        seen = step(seed)
        assert torch.equal(taken(whole, seen).values, taken(other, seen).values)


def test_parameters_are_loaded_in_place_since_an_optimizer_may_hold_them() -> None:
    first, second = scalarization.UW(2), scalarization.UW(2)
    nn.init.constant_(first.log_var, 0.7)
    held = second.log_var
    TorchJD(second).load_state_dict(TorchJD(first).state_dict())
    assert second.log_var is held
    assert held.tolist() == pytest.approx([0.7, 0.7])


def test_an_object_that_holds_an_optimizer_starts_afresh(tmp_path: Path) -> None:
    scalarizer = scalarization.FAMO(4)
    balancer = TorchJD(scalarizer)
    assert balancer.state_dict()["object"]
    balancer.weigh(step(0))
    scalarizer.update(step(1).losses.float())
    save_state(tmp_path / "state", balancer.state_dict())
    other = TorchJD(scalarization.FAMO(4))
    other.load_state_dict(load_state(tmp_path / "state"))
    assert torch.equal(other.weigh(step(2)).values, TorchJD(scalarization.FAMO(4)).weigh(step(2)).values)


def test_numbers_in_float32_inside_meet_statistics_in_float64() -> None:
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    for inside in (scalarization.COSMOS(0.5, weights), aggregation.AlignedMTL(pref_vector=weights)):
        answer = TorchJD(inside).weigh(step(0))
        assert isinstance(answer, Weights)
        assert answer.values.dtype == torch.float64


def test_in_backward_it_fills_grad_with_what_torchjd_says() -> None:
    torch.manual_seed(0)
    trunk, heads = nn.Linear(3, 4).double(), nn.Linear(4, 4).double()
    rows = torch.randn(16, 3, dtype=torch.float64)

    def losses() -> dict[str, Tensor]:
        outputs = heads(torch.tanh(trunk(rows)))
        return {name: ((outputs[:, number] - rows[:, 0]) ** 2).mean() for number, name in enumerate(NAMES)}

    J = torch.stack(
        [
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(trunk.parameters()), retain_graph=True)])
            for loss in losses().values()
        ]
    )
    for make in (lambda: aggregation.TrimmedMean(1), lambda: aggregation.Krum(1), aggregation.MGDA):
        for wrap in (lambda balancer: balancer, *([] if make is not aggregation.MGDA else [SmoothWeights])):
            trunk.zero_grad()
            Backward(wrap(TorchJD(make())), tasks=NAMES, shared=trunk, outside="sum")(losses())  # one head for all tasks
            grad = torch.cat([p.grad.flatten() for p in trunk.parameters()])
            assert torch.allclose(grad, make()(J), rtol=1e-9)


@pytest.mark.parametrize("make", [lambda: aggregation.TrimmedMean(1), lambda: aggregation.Krum(0), lambda: aggregation.Constant(R)])
def test_a_step_with_too_few_tasks_is_refused_in_one_line(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError, match=r"torchjd, \w+: TorchJD refuses this step \(found") as caught:
        TorchJD(make()).weigh(step(0, count=2))
    assert "\n" not in str(caught.value)


def test_after_a_refused_step_pytorchs_generator_is_as_it_was() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ConfigError):
        TorchJD(aggregation.Krum(0)).weigh(step(0, count=2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("thing", [nn.Linear(2, 2), aggregation.Mean])
def test_what_is_no_object_of_torchjd(thing: Any) -> None:
    with pytest.raises(ConfigError, match="torchjd: an aggregator, a weighting or a scalarizer of TorchJD is needed"):
        TorchJD(thing)


def test_only_a_weighting_may_look_at_something_else() -> None:
    with pytest.raises(ConfigError, match="torchjd, statistic: only a weighting accepts a statistic"):
        TorchJD(aggregation.TrimmedMean(1), statistic="gramian")
    with pytest.raises(ConfigError, match=r"torchjd, statistic.*found norms\)\. Choose from: losses"):
        TorchJD(aggregation.MGDAWeighting(), statistic="norms")  # type: ignore[arg-type]


def test_without_torchjd_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("torchjd"):
            raise ImportError("No module named 'torchjd'")
        return found(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'polytask\[torchjd\]'"):
        TorchJD(nn.Identity())


@pytest.mark.parametrize("spelled", ["torchjd.PCD(tau=0.1)", "smooth-weights:torchjd.PCD(tau=0.1)", "torchjd(wrapped=PCD, tau=0.1)"])
def test_an_object_is_named_where_a_balancer_is(spelled: str) -> None:
    seen, made = step(0), resolve("balancer", spelled)
    again = resolve("balancer", made.text).build()
    assert made.text.endswith("torchjd(wrapped=PCD, tau=0.1)")
    expected = TorchJD(aggregation.PCD(tau=0.1)).weigh(seen)
    assert isinstance(expected, Weights)
    for balancer in (balancer_named(spelled), again):
        assert torch.allclose(balancer.weigh(seen).values, expected.values)


def test_lists_become_tensors_and_own_options_stay() -> None:
    named = balancer_named("torchjd.Constant(weights=[0.1, 0.2, 0.3, 0.4], multiply_by_tasks=true)")
    assert torch.allclose(named.weigh(step(0)).values, 4 * R)


def test_it_is_an_arm_of_a_study() -> None:
    assert parse_arm("torchjd.UPGrad", NAMES).options == {"wrapped": "UPGrad"}
    arm = parse_arm("torchjd.PCD(tau=0.1)@mmoe", NAMES)
    assert (arm.balancer, arm.options) == ("torchjd", {"wrapped": "PCD", "tau": 0.1})


@pytest.mark.parametrize(("spelled", "text"), [
    ("torchjd.PDC(tau=0.1)", r"torchjd: unknown class of TorchJD \(found 'PDC'\)\. Did you mean 'PCD'"),
    ("torchjd.PCD(taw=0.1)", "torchjd.PCD: TorchJD does not accept these arguments"),
    ("torchjd.PCD(tau=7)", "torchjd.PCD: TorchJD does not accept these arguments"),
])  # fmt: skip
def test_names_and_arguments_that_do_not_exist_are_one_line(spelled: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        balancer_named(spelled)
    assert "\n" not in str(caught.value)


def test_a_class_whose_packages_are_missing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(**options: Any) -> None:
        raise ImportError("PCD requires ['quadprog'] to be installed")

    monkeypatch.setattr(aggregation, "PCD", without)
    with pytest.raises(MissingExtraError, match=r"^torchjd.PCD: .*'quadprog'") as caught:
        balancer_named("torchjd.PCD(tau=0.1)")
    assert "\n" not in str(caught.value)


def test_without_the_library_a_name_is_the_error_of_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    actual = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "torchjd":
            raise ImportError("No module named 'torchjd'")
        return actual(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'polytask\[torchjd\]'"):
        balancer_named("torchjd.PCD(tau=0.1)")
