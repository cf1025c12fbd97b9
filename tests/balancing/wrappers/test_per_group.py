"""A balancer per group: every group's direction is the balancer's own for that group's columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polytask.balancing import Direction, Equal, Gramian, GroupWeights, Jacobian, Needs, Norms, answer_to_direction
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.balancing.wrappers import PerGroup, SmoothWeights, UpdateEvery
from polytask.errors import ConfigError
from polytask.storage import load_state, save_state

Make = Callable[..., Any]
Step = Callable[..., MatrixStatistic]
SIZES = (3, 1, 4)


def parts(plain: MatrixStatistic) -> list[MatrixStatistic]:
    """Every group as a step of its own."""
    return [MatrixStatistic(plain.matrix[:, columns], plain.losses, plain.names, plain.step) for (columns,) in plain.columns]


@pytest.mark.parametrize("kind", ["inverse", "unit"])
def test_every_group_gets_what_the_balancer_says_to_it_alone(kind: str, step: Step, request: pytest.FixtureRequest) -> None:
    make = request.getfixturevalue(kind)
    plain = step(0, sizes=SIZES)
    answer = PerGroup(make()).weigh(plain)
    assert isinstance(answer, GroupWeights if kind == "inverse" else Direction)
    expected = torch.cat([answer_to_direction(make().weigh(part), part) for part in parts(plain)])
    assert torch.allclose(answer_to_direction(answer, plain), expected, rtol=1e-13)


def test_groups_of_scattered_columns_come_back_in_their_places(unit: Make, step: Step) -> None:
    class Scattered(MatrixStatistic):
        columns = ((slice(0, 2), slice(5, 8)), (slice(2, 5),))  # type: ignore[assignment]

    base = step(1, sizes=SIZES)
    seen = Scattered(base.matrix, base.losses, base.names)
    answer = PerGroup(unit()).weigh(seen)
    assert isinstance(answer, Direction)
    for columns in ([0, 1, 5, 6, 7], [2, 3, 4]):
        total = base.matrix[:, columns].sum(0)
        assert torch.allclose(answer.values[columns], total / total.norm(), rtol=1e-13)


def test_one_group_is_the_balancer_itself(inverse: Make, step: Step) -> None:
    plain = step(0, sizes=(5,))
    answer = PerGroup(inverse()).weigh(plain)
    assert isinstance(answer, GroupWeights)
    assert torch.equal(answer.values[0], inverse().weigh(plain).values)


@pytest.mark.parametrize("groups", ["layer", "matrix"])
def test_it_asks_for_the_same_in_groups(groups: Any, inverse: Make, unit: Make) -> None:
    assert PerGroup(inverse(), groups).needs() == Gramian(groups)
    assert PerGroup(unit(), groups).needs() == Jacobian(None, groups)


def test_lengths_of_a_group_come_from_its_gramian(inverse: Make, step: Step) -> None:
    class ByNorms(inverse):
        def needs(self) -> Needs:
            return Norms("shared")

        def weigh(self, statistic: Any) -> Any:
            assert torch.allclose(statistic.norms() ** 2, statistic.gramians()[0].diagonal())
            return super().weigh(statistic)

    balancer = PerGroup(ByNorms())
    assert balancer.needs() == Gramian("layer")
    assert torch.allclose(balancer.weigh(step(0)).values, PerGroup(inverse()).weigh(step(0)).values)


def test_copies_have_states_of_their_own(inverse: Make, step: Step) -> None:
    smoothed, plain = PerGroup(SmoothWeights(inverse(), 0.5)), PerGroup(inverse())
    for seed in range(2):
        now = smoothed.weigh(step(seed))
        smoothed.update_state(step(seed))
    first, second = plain.weigh(step(0)), plain.weigh(step(1))
    assert torch.allclose(now.values, (first.values + second.values) / 2, rtol=1e-13)


def test_copies_draw_different_numbers_and_the_seed_decides(unit: Make, step: Step) -> None:
    same = MatrixStatistic(torch.ones(2, 4, dtype=torch.float64), torch.ones(2), ("a", "b"), sizes=(2, 2))
    drawn = []
    for seed in (1, 1, 2):
        balancer = PerGroup(unit(noise=1.0))
        balancer.seed(seed)
        drawn.append(balancer.weigh(same).values)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0][:2], drawn[0][2:])


def test_it_goes_on_from_the_disk_bit_for_bit(unit: Make, step: Step, tmp_path: Path) -> None:
    whole = PerGroup(unit(noise=1.0))
    whole.seed(5)
    for seed in range(3):
        save_state(tmp_path / str(seed), whole.state_dict())
        other = PerGroup(unit(noise=1.0))
        other.load_state_dict(load_state(tmp_path / str(seed)))
        assert torch.equal(whole.weigh(step(seed)).values, other.weigh(step(seed)).values)


def test_all_copies_learn_and_look_again(inverse: Make, step: Step) -> None:
    balancer = PerGroup(inverse())
    balancer.weigh(step(0))
    balancer.update_state(step(0))
    balancer.after_step(("a",), torch.ones(1), torch.ones(1))
    learned = [state["learned"] for state in balancer.state_dict()["copies"].values()]
    assert learned == [float(step(0).losses.sum())] * 2


@pytest.mark.parametrize("balancer", [Equal(), UpdateEvery(Equal())], ids=lambda balancer: type(balancer).__name__)
def test_what_has_no_groups_is_refused(balancer: Any) -> None:
    with pytest.raises(ConfigError, match="per-group: this balancer's statistic cannot be split into groups"):
        PerGroup(balancer).needs()


def test_a_group_has_neither_representations_nor_looks_elsewhere(inverse: Make, step: Step) -> None:
    class Curious(inverse):
        def weigh(self, statistic: Any) -> Any:
            for look in (statistic.representations, lambda: statistic.cross_gramian(0, 1), lambda: statistic.look):
                with pytest.raises(ConfigError, match="one group of parameters has no"):
                    look()
            assert statistic.columns == ((slice(0, statistic.jacobian().shape[1]),),)
            return super().weigh(statistic)

    PerGroup(Curious()).weigh(step(0))


def test_groups_that_do_not_exist() -> None:
    with pytest.raises(ConfigError, match=r"found neuron\)\. Choose from: layer, matrix"):
        PerGroup(Equal(), "neuron")  # type: ignore[arg-type]
