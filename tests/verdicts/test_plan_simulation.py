"""What the simulations of plans and of advice publish, on small seeded subsets; and the area under the curve with few positives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.verdicts.conftest import benchmark

from polytask.metrics.influence_functions import influence_differences
from polytask.tasks.metric import Runs
from polytask.verdicts.estimates.crossed_anova import crossed_estimate, half_widths
from polytask.verdicts.spending.seed_plan import SeedPlan

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def plans() -> ModuleType:
    """The benchmark of plans."""
    return benchmark("plan_simulation")


@pytest.mark.parametrize("truth", ["all 0", "one large", "at the margin"])
@pytest.mark.parametrize("tasks", [2, 5])
def test_false_words_of_a_plan_stay_within_the_error(plans: ModuleType, tasks: int, truth: str) -> None:
    plan = SeedPlan.of((5, 8, 12, 20), (30,))
    assert plans.rate(plan, tasks, 4_000, truth) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4_000)


def test_rows_make_looks_more_alike(plans: ModuleType) -> None:
    assert plans.rate(SeedPlan.of((5, 8, 12, 20)), 2, 4_000, rows=1.0) <= 0.05


def test_the_simulation_judges_as_the_verdict_does(plans: ModuleType) -> None:
    """A level found by bisection gives back the half-width."""
    size, of_seeds, of_rows = np.array([0.3, 1.0, 2.0]), np.array([0.05, 0.1, 0.2]), np.array([0.02, 0.1, 0.0])
    levels = plans.p_values(size, of_seeds, of_rows, 5, 4_000)
    assert half_widths(of_seeds, of_rows, 5, 4_000, levels) == pytest.approx(size, rel=2e-3)


def test_the_advice_loses_little(plans: ModuleType) -> None:
    """At most .04 of the .349 that the best choice gains, and at most a third of what the better constant advice loses."""
    found = plans.regret("normal", 2, 5, 8_000)
    assert found["best"] == pytest.approx(0.349, abs=0.02)
    assert found["advice"] <= 0.04
    assert found["advice"] <= min(found["always together"], found["always separately"]) / 3
    assert found["advice"] < found["unclear: separately"] / 5


@pytest.mark.parametrize("tasks", [2, 5])
def test_margins_that_are_small_beside_the_scatter_of_seeds_change_nothing(plans: ModuleType, tasks: int) -> None:
    """The advice then follows the observed mean, rather than train together whatever is observed."""
    found = plans.regret("margin / 20", tasks, 5, 8_000)
    assert found["advice"] <= min(found["always together"], found["always separately"]) / 3
    assert found["advice"] == pytest.approx(found["mean > -v"], abs=0.002)


def few_positives(positives: int, studies: int) -> tuple[float, float]:
    """False alarms of the AUC of two equally good arms: as if all units counted alike, and with those of the rarer class."""
    generator, alarms = np.random.default_rng(positives), np.zeros(2)
    targets = (np.arange(400) < positives).astype(int)

    def runs(common: NDArray[np.float64]) -> Runs:
        score = common + 0.7 * generator.normal(size=400) + 0.4 * generator.normal(size=(5, 400))
        chance = 1 / (1 + np.exp(-score))
        return Runs((chance > 0.5).astype(int), np.where(targets == 1, chance, 1 - chance))

    for _ in range(studies):
        common = 1.5 * targets + generator.normal(size=400)
        D = influence_differences("auc", targets, runs(common), runs(common))
        found = [crossed_estimate(D, rarer) for rarer in (None, positives)]
        alarms += [abs(study.difference) > study.half_width(0.05) for study in found]
    return tuple((alarms / studies).tolist())


@pytest.mark.slow
def test_the_auc_counts_the_rarer_class() -> None:
    naive, found = few_positives(5, 300)
    assert naive > found
    assert found <= 0.06 + 3 * np.sqrt(0.06 * 0.94 / 300)


@pytest.mark.slow
@pytest.mark.parametrize("positives", [5, 10, 20])
def test_the_auc_with_few_positives(positives: int) -> None:
    assert few_positives(positives, 1_500)[1] <= 0.06
