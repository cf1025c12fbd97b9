"""Steps without a solution, and with values that are not finite: what a study and a run say about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from polytask.balancing import CAGrad, Weights
from polytask.options import TrainConfig, TrainingOptions
from polytask.options.verdict_options.tolerance import DEFAULT_TOLERANCE, Tolerance
from polytask.report import write_report
from polytask.report.terminal.study_terminal import verdict_summary
from polytask.run_files import CostFile, VerdictFile
from polytask.studies import Study, train_network
from polytask.studies.results.arms_with_failed_steps import refuse_arm_with_failed_steps
from polytask.training.failed_steps import REFUSE_ABOVE, WARN_ABOVE, FailedSteps
from polytask.verdicts.advice import Advice
from polytask.verdicts.shown.advice_sentences import MOST_WORDS, AdviceSentences, Circumstances, RecommendedArm

SKIPPED = {"unsolved": "skip", "non_finite": "skip"}


@pytest.fixture
def every_fourth(monkeypatch: pytest.MonkeyPatch) -> None:
    """CAGrad without a solution in the first of every four steps."""
    solve = CAGrad.weigh

    def weigh(self: CAGrad, statistic: Any) -> Any:
        answer = solve(self, statistic)
        return replace(answer, solved=False) if statistic.step % 4 == 0 and isinstance(answer, Weights) else answer

    monkeypatch.setattr(CAGrad, "weigh", weigh)


@pytest.mark.parametrize("kind", ["unsolved", "non_finite"])
def test_the_limits_are_shares_of_the_steps(kind: str) -> None:
    for count, warned, refused in ((WARN_ABOVE, 0, False), (0.011, 1, False), (REFUSE_ABOVE, 1, False), (0.101, 1, True)):
        counts = {"unsolved": 0.0, "non_finite": 0.0} | {kind: 1000 * count}
        failed = FailedSteps(1000, **counts, policies=SKIPPED)
        assert len(failed.sentences()) == warned
        assert bool(failed.too_many()) is refused
    assert FailedSteps(1000, 0, 0, SKIPPED).sentences(above=0.0) == ()
    assert FailedSteps(0, 0, 0, SKIPPED).sentences(above=0.0) == ()


@pytest.mark.parametrize("kind", ["unsolved", "non_finite"])
def test_every_policy_has_its_words(kind: str) -> None:
    for policy in get_args(TrainingOptions.model_fields[kind].annotation):
        assert FailedSteps(100, 50, 50, SKIPPED | {kind: policy}).sentences()


@pytest.mark.parametrize("policy", ["sum", "last"])
def test_another_update_in_place_of_the_methods_is_said_and_not_refused(policy: str) -> None:
    failed = FailedSteps(100, 50, 0, {"unsolved": policy, "non_finite": "raise"})
    assert len(failed.sentences()) == 1
    assert failed.too_many() == ""


def test_a_study_says_it_everywhere_and_does_not_recommend_the_arm(make: Callable[..., Study], every_fourth: None, tmp_path: Path) -> None:
    result = make(arms=["single", "cagrad"], training={"epochs": 1, "threads": 1, "batch_size": 8}).run(tmp_path / "run")
    cost = CostFile.read(tmp_path / "run" / "cost.json").arms["cagrad"]
    assert cost.unsolved_steps == -(-cost.steps // 4)
    assert cost.steps > 8
    assert cost.non_finite_steps == 0
    share = f"{100 * (cost.unsolved_steps or 0) / cost.steps:.2g} % of the steps had no solution for the balancer"
    stored = VerdictFile.read(tmp_path / "run" / "verdict.json")
    assert stored.recommendation is not None
    assert stored.recommendation.arm == "single"
    assert share in stored.recommendation.reason
    assert "set unsolved to sum" in stored.recommendation.reason
    assert any(warning.startswith(f"{stored.titles.get('cagrad', 'cagrad')}: {share}") for warning in stored.warnings)
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    console = Console(width=200)
    with console.capture() as shown:
        console.print(verdict_summary(result.summary))
    for said in (page, shown.get(), str(result)):
        assert share in said
    assert "Steps that went wrong" in page


@pytest.mark.slow
def test_another_joint_arm_is_chosen_if_there_is_one(make: Callable[..., Study], every_fourth: None, tmp_path: Path) -> None:
    study = make(arms=["single", "cagrad", "equal"])
    assert study.run(tmp_path / "run").verdict.chosen == "equal"


def test_with_the_plain_sum_in_its_place_the_arm_may_be_chosen() -> None:
    cost = CostFile.model_validate({"arms": {"cagrad": dict.fromkeys(_FIGURES, 100) | {"unsolved_steps": 25}}}).arms["cagrad"]
    tolerance = Tolerance.parse(DEFAULT_TOLERANCE)
    advice = Advice(
        together=True,
        shown=True,
        arm="cagrad",
        utility=1.0,
        saving=0.5,
        tolerance=tolerance,
        worst={"a": 0.1},
        best={"a": 0.2},
        at_risk=(),
        protect=(),
    )
    advised = RecommendedArm(advice, AdviceSentences("Train together.", "None.", "Less.", "Ship it.", 3))
    known = Circumstances((("a", "b"),), cost, cost)
    assert refuse_arm_with_failed_steps(advised, "CAGrad", 2, known, TrainingOptions(unsolved="sum")) == advised
    refused = refuse_arm_with_failed_steps(advised, "CAGrad", 2, known, TrainingOptions())
    assert refused.sentences.cost.startswith("Training together would save: one network instead of 2")
    assert (refused.advice.utility, refused.advice.worst) == (None, {})
    assert refused.sentences.next_step == "Run the study again with unsolved=sum or another balancer, in another folder."
    assert (refused.advice.together, refused.advice.shown, refused.sentences.more_seeds) == (False, False, 0)
    assert len(refused.headline.split()) <= MOST_WORDS
    assert all("\n" not in line for line in refused.sentences.lines)


_FIGURES = (
    "networks", "parameters", "multiply_adds", "shared_parameters", "saved_multiply_adds", "seconds", "steps", "rows", "epochs",
    "peak_memory_bytes",
)  # fmt: skip


def test_a_run_of_one_network_says_it(every_fourth: None, table: Callable[..., Any], three_tasks: tuple[Any, ...], tmp_path: Path) -> None:
    config = TrainConfig(balancer="cagrad", training=TrainingOptions(epochs=2, threads=1))
    run = train_network(config, [table()], three_tasks, tmp_path / "run")
    assert run.facts["used"]["unsolved_steps"] == -(-run.facts["used"]["steps"] // 4)
    assert "% of the steps had no solution for the balancer" in str(run)
