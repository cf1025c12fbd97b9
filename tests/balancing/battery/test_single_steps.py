"""What every balancer promises for a single step, on steps of known structure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from polytask.balancing import Weights, answer_to_direction
from polytask.registry import ComponentSpec, load_class, names
from polytask.registry.registered import shipped

pytestmark = pytest.mark.sampled(6, sweep=2)

CLOSE = 1e-9


def with_names(case: Any, tasks: tuple[str, ...]) -> Any:
    return replace(case, names=tasks)


def determined(row: Any, cases: Any) -> list[Any]:
    return [case for case in cases if case.kind not in row.undetermined]


def parallel(first: torch.Tensor, second: torch.Tensor) -> bool:
    return float(first @ second) >= (1 - CLOSE) * float(first.norm() * second.norm())


def test_every_balancer_has_a_row(rows: Any) -> None:
    """But for one that needs an architecture of its own, and one that needs another library."""
    assert {row.name for row in rows} | {"rotograd", "torchjd"} == set(names("balancer"))


def test_there_are_steps_enough(cases: Any) -> None:
    assert len(cases) >= 60
    most = max(case.tasks for case in cases)
    assert {case.tasks for case in cases} == {count for count in (1, 2, 3, 10, 40) if count <= most}
    assert {case.scale for case in cases} == {1e-12, 1.0, 1e12}


def test_directions_are_finite(row: Any, cases: Any, asked: Any) -> None:
    for case in cases:
        balancer = row.make(case.statistic.names)
        for _ in range(3):
            answer, direction = asked(balancer, case.statistic)
            assert isinstance(answer, Weights) == row.weighed
            assert bool(torch.isfinite(direction).all()), (case.kind, case.tasks, case.scale)


def test_the_order_of_tasks_changes_nothing(row: Any, plain_cases: Any, asked: Any) -> None:
    if row.random:
        pytest.skip("drawn in the order of the tasks")
    for case in determined(row, plain_cases):
        order = list(range(case.tasks))[::-1]
        turned = replace(case, matrix=case.matrix[order], losses=case.losses[order], names=tuple(case.statistic.names[n] for n in order))
        first, second = row.make(case.statistic.names), row.make(case.statistic.names)
        for _ in range(2):
            forth, back = asked(first, case.statistic)[1], asked(second, turned.statistic)[1]
            assert float((forth - back).norm()) <= 1e-7 * max(case.size, float(forth.norm())), (case.kind, case.tasks)


def test_names_decide_nothing(row: Any, plain_cases: Any, asked: Any) -> None:
    if row.random or not row.anonymous:
        pytest.skip("drawn, or options by name")
    for case in plain_cases:
        names = case.statistic.names[::-1]
        first = asked(row.make(case.statistic.names), case.statistic)[1]
        assert torch.equal(first, asked(row.make(names), with_names(case, names).statistic)[1])


def test_it_is_homogeneous_as_declared(row: Any, plain_cases: Any, asked: Any) -> None:
    if row.degree is None:
        pytest.skip("step sizes with units")
    for case in determined(row, plain_cases):
        once = asked(row.make(case.statistic.names), case.statistic)[1]
        for factor in (1e-12, 2.0, 1e12):
            scaled = asked(row.make(case.statistic.names), case.times(factor).statistic)[1] / factor**row.degree
            room = max(case.size, float(once.norm())) if row.degree == 1 else float(once.norm())
            assert float((scaled - once).norm()) <= 1e-7 * room, (case.kind, case.tasks, factor)


def test_one_task_alone_keeps_its_direction(row: Any, cases: Any, asked: Any) -> None:
    for case in cases:
        if case.tasks == 1 and case.size:
            direction = asked(row.make(case.statistic.names), case.statistic)[1]
            alone = case.matrix[0].sign() if row.name == "momentum-conflict-free" and case.scale > 1e-12 else case.matrix[0]
            assert row.name == "momentum-conflict-free" or parallel(direction, alone), case.scale
            assert float(direction @ case.matrix[0]) > 0
            if not row.own_scale:
                assert torch.allclose(direction, case.matrix[0], rtol=1e-12)


def test_equal_tasks_are_one_task(row: Any, plain_cases: Any, asked: Any) -> None:
    if row.name == "momentum-conflict-free":
        pytest.skip("one task per step")
    for case in plain_cases:
        if case.kind == "identical":
            equal = replace(case, losses=torch.ones(case.tasks, dtype=torch.float64))
            direction = asked(row.make(case.statistic.names), equal.statistic)[1]
            assert parallel(direction, case.matrix[0])
            if not row.own_scale:
                assert torch.allclose(direction, case.tasks * case.matrix[0], rtol=1e-9)


def test_a_zero_row_does_what_is_declared(row: Any, cases: Any, asked: Any) -> None:
    if row.random or row.name == "momentum-conflict-free":
        pytest.skip("drawn, or one task per step")
    for case in cases:
        if case.kind != "zero row" or case.tasks < 3:
            continue
        fewer = replace(case, matrix=case.matrix[:-1], losses=case.losses[:-1])
        direction = asked(row.make(case.statistic.names), case.statistic)[1]
        without = asked(row.make(fewer.statistic.names), fewer.statistic)[1]
        if row.zero_row == "stops":
            assert float(direction.norm()) <= 1e-12 * case.size
        elif row.zero_row == "parallel" and row.degree is not None:
            assert parallel(direction, without), case.scale


def test_where_nothing_moves_nothing_is_moved(row: Any, cases: Any, asked: Any) -> None:
    for case in cases:
        if case.kind == "all zero":
            assert not bool(asked(row.make(case.statistic.names), case.statistic)[1].any())


def test_no_task_is_opposed_where_that_is_proved(row: Any, cases: Any, asked: Any) -> None:
    if not row.non_conflicting:
        pytest.skip("not proved")
    for case in cases:
        answer, direction = asked(row.make(case.statistic.names), case.statistic)
        if answer.solved:
            room = case.size if row.degree == 1 else float(direction.norm())
            assert bool((case.matrix @ direction >= -CLOSE * case.lengths * room).all()), (case.kind, case.tasks, case.scale)


def test_the_paper_s_condition_holds(row: Any, cases: Any, asked: Any) -> None:
    """A certificate of optimality: nothing that the method computes is used in it, but for its weights."""
    if row.residual is None:
        pytest.skip("no condition of its own")
    met = 0
    for case in cases:
        answer = asked(row.make(case.statistic.names), case.statistic)[0]
        if answer.solved and case.meets(row.where):
            met += 1
            matrix = case.matrix.numpy()
            assert row.residual(matrix @ matrix.T, answer.values.numpy()) <= CLOSE, (case.kind, case.tasks, case.scale)
    assert met >= 30


def test_scales_of_losses_change_no_direction_where_declared(row: Any, plain_cases: Any, asked: Any) -> None:
    if not row.scale_free:
        pytest.skip("losses' scales count")
    for case in plain_cases:
        if case.kind in ("random", "conflict-free", "orthogonal", "a crowd and one"):
            factors = torch.logspace(-2, 2, case.tasks, dtype=torch.float64)
            other = replace(case, matrix=case.matrix * factors[:, None], losses=case.losses * factors)
            first = asked(row.make(case.statistic.names), case.statistic)
            second = asked(row.make(case.statistic.names), other.statistic)
            assert parallel(first[1], second[1]), (case.kind, case.tasks)


def test_float32_is_float64_up_to_its_round_off(row: Any, plain_cases: Any, asked: Any) -> None:
    for case in plain_cases:
        if case.kind in ("random", "conflict-free", "orthogonal"):
            narrow = replace(case, matrix=case.matrix.float())
            wide = replace(case, matrix=case.matrix.float().double())
            first = asked(row.make(case.statistic.names), narrow.statistic)[1]
            second = asked(row.make(case.statistic.names), wide.statistic)[1]
            assert float((first.double() - second).norm()) <= 1e-5 * max(case.size, float(second.norm())), (case.kind, case.tasks)


def test_weights_are_what_the_direction_is_made_of(row: Any, plain_cases: Any, asked: Any) -> None:
    for case in plain_cases:
        answer, direction = asked(row.make(case.statistic.names), case.statistic)
        if isinstance(answer, Weights):
            assert answer.values.dtype == torch.float64
            assert answer.values.shape == (case.tasks,)
            assert torch.equal(direction, answer_to_direction(answer, case.statistic))
            assert torch.allclose(direction, case.matrix.T @ answer.values, rtol=1e-12, atol=1e-12 * case.size)


def test_seeds_decide_what_is_drawn_and_nothing_else(row: Any, case_of_ten: Any, asked: Any) -> None:
    case = case_of_ten

    def drawn(seed: int) -> torch.Tensor:
        balancer = row.make(case.statistic.names)
        balancer.seed(seed)
        return torch.stack([asked(balancer, case.statistic)[1] for _ in range(3)])

    assert torch.equal(drawn(3), drawn(3))
    assert torch.equal(drawn(3), drawn(4)) != row.random


def test_the_input_is_left_alone_and_not_kept(row: Any, plain_cases: Any, asked: Any) -> None:
    case = next(case for case in plain_cases if case.kind == "random" and case.tasks == 3)
    first, second = row.make(case.statistic.names), row.make(case.statistic.names)
    for step in range(3):
        seen = replace(case, matrix=case.matrix + step)
        spoilt = replace(case, matrix=case.matrix + step)
        clean, other = asked(first, seen.statistic)[1], asked(second, spoilt.statistic)[1]
        assert torch.equal(seen.matrix, case.matrix + step)
        assert torch.equal(clean, other)
        spoilt.matrix.fill_(np.nan)


@pytest.mark.parametrize("spec", [spec for spec in shipped() if spec.group == "balancer"], ids=lambda spec: spec.name)
def test_its_docstring_says_all_that_a_user_decides_by(spec: ComponentSpec) -> None:
    kind, paper = load_class(spec), spec.paper
    text = kind.__doc__ or ""
    for said in ("Scale:", "Example:", *(("Defaults:", "Deviations:", "Fails:") if paper else ())):
        assert said in text, said
