"""What the benchmarks on trained networks draw and count, without training any."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from polytask.architectures import NetworkPlan
from polytask.data import Source
from polytask.tasks import Binary, Regression
from polytask.verdicts.compute_verdict import verdict

if TYPE_CHECKING:
    from types import ModuleType


def test_no_network_is_used_twice(pool_of_networks: ModuleType) -> None:
    """Not in a study, nor in the studies of a round; over rounds every pair is used equally often."""
    drawn = list(islice(pool_of_networks.studies(43, 5, np.random.default_rng(0)), 5 * 8))
    rounds = [np.concatenate([pairs for pairs, _ in drawn[8 * i : 8 * i + 8]]) for i in range(5)]
    assert all(len(set(used.tolist())) == 40 for used in rounds)
    assert len({tuple(used.tolist()) for used in rounds}) == 5
    assert np.bincount(np.concatenate(rounds), minlength=43).min() >= 1
    coins = np.concatenate([coins for _, coins in drawn])
    assert set(coins.tolist()) == {0, 1}
    assert coins.mean() == pytest.approx(0.5, abs=0.15)


@pytest.fixture
def problem(pool_of_networks: ModuleType) -> Any:
    """Two tasks on 150 test rows, which nothing is trained for."""
    generator = np.random.default_rng(1)
    labels = {"yes": generator.integers(2, size=150), "size": generator.normal(size=150)}
    source, tasks = Source("toy", np.zeros((150, 1), "float32"), labels), (Binary(name="yes", classes=(0, 1)), Regression(name="size"))
    return pool_of_networks.Problem((source,), (source,), tasks, NetworkPlan("mlp", (1,)), {"yes": "auc", "size": "rmse"})


def networks(problem: Any, pairs: int, gain: float = 0.0) -> list[np.ndarray]:
    """Predictions of pairs of networks; the second of a pair is better by `gain`."""
    generator, found = np.random.default_rng(2), []
    for _ in range(pairs):
        for skill in (1.0, 1.0 + gain):
            score = skill * (problem.targets["yes"] - 0.5) + generator.normal(size=150)
            found.append(np.stack([1 / (1 + np.exp(-score)), problem.targets["size"] + generator.normal(size=150) / skill]))
    return found


def test_pairs_share_their_validation_rows_and_others_do_not(problem: Any) -> None:
    held_out = [problem.of_pair(pair).training[0].held_out for pair in (3, 3, 4)]
    assert (held_out[0] == held_out[1]).all()
    assert (held_out[0] != held_out[2]).any()
    assert held_out[0].sum() == 30


@pytest.mark.slow
def test_studies_say_what_is_there(pool_of_networks: ModuleType, problem: Any) -> None:
    study = (np.arange(6), np.ones(6, dtype=int))
    # Two tasks and their mean.
    assert pool_of_networks.words(problem, networks(problem, 6, gain=2.0), study) == ["helps"] * 3
    assert pool_of_networks.words(problem, networks(problem, 6, gain=2.0), (study[0], 1 - study[1])) == ["hurts"] * 3
    equal, drawn = networks(problem, 60), islice(pool_of_networks.studies(60, 5, np.random.default_rng(3)), 24)
    claims = [pool_of_networks.words(problem, equal, study) for study in drawn]
    assert pool_of_networks.alarms(claims) <= 3  # 97 % of procedures with a rate of 5 % stay within
    assert pool_of_networks.alarms([["same", "hurts"], ["helps", "helps"], ["unclear", "same"]]) == 2


def pooled(gain: float, *, own: float = 1.0, tasks: int = 2, rows: int = 2_000, seeds: int = 40) -> list[np.ndarray]:
    """Errors (arms, tasks, rows) of seeds; the joint arm is better on the first task and worse on the others.

    `own`^2 is the share of the errors' variance that the arms do not have in common.
    """
    generator, found = np.random.default_rng(4), []
    for _ in range(seeds):
        errors = generator.normal(size=(2, tasks, rows)) * (1 + 0.02 * generator.normal(size=(2, tasks, 1)))
        errors[1] = own * errors[1] + (1 - own**2) ** 0.5 * errors[0]
        errors[1, 0] *= 1 - gain
        errors[1, 1:] *= 1 + gain
        found.append(errors.astype(np.float32))
    return found


def test_truths_and_words_of_studies(known_truths: ModuleType) -> None:
    errors = pooled(0.2)
    first, second = known_truths.points(errors, rows=500, number=100, seed=0)
    roots = np.sqrt((np.stack(errors).astype(float) ** 2).mean(axis=3)).mean(axis=0)
    assert [first.truth, second.truth] == pytest.approx((roots[0] - roots[1]).tolist(), rel=1e-5)
    assert (first.right, first.wrong, second.right, second.wrong) == (1.0, 0.0, 1.0, 0.0)
    assert first.words["helps"] == second.words["hurts"] == 1.0
    # Two arms of independent errors: each RMSE scatters by 1 / sqrt(2 n), in the mean of ten seeds.
    assert first.error == pytest.approx(((0.02**2 + 1 / (2 * 500)) * (1 + 0.8**2) / 10) ** 0.5, rel=0.25)
    table = list(known_truths.summary([first, second]))
    assert table[-1].startswith("| 6 and more | 2 | 1.000 | 1.000 | .000 | .000 |")


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("gain", "own", "word"), [(0.0, 1.0, "unclear"), (0.05, 1.0, "helps"), (0.05, 1.0, "hurts"), (0.0, 0.05, "same")])
def test_words_are_those_of_the_verdict(known_truths: ModuleType, gain: float, own: float, word: str) -> None:
    """The benchmark leaves out the frame, and judges many studies at once: nothing else differs."""
    errors, studies = pooled(gain, own=own), 8
    squares, margins = known_truths.replicates(errors, 300, studies, 7)
    claims, generator = known_truths.words(squares, margins, 300), np.random.default_rng(7)
    assert word in claims
    for study in range(studies):
        seeds = generator.choice(len(errors), 10, replace=False)
        rows = generator.choice(2_000, 300, replace=False, shuffle=False)
        parts = [
            pd.DataFrame({"arm": arm, "seed": s, "task": f"t{t}", "unit": rows, "target": 0.0, "prediction": errors[seed][a, t, rows]})
            for a, arm in enumerate(("single", "joint"))
            for s, seed in enumerate(seeds)
            for t in range(2)
        ]
        found = verdict(pd.concat(parts), kinds={"t0": "regression", "t1": "regression"})
        assert claims[study].tolist() == [task.arms["joint"].claim for task in found.tasks.values()]
        assert squares.mean[study] == pytest.approx([task.arms["joint"].difference for task in found.tasks.values()])
        assert margins[study] == pytest.approx([task.margin for task in found.tasks.values()])
