from __future__ import annotations

from typing import Any

import pytest

from polytask.errors import DataError
from polytask.report.outcome import Costs, Outcome, Said, Settle, choice_sentence, openings_sentence, parse, settle_lines


def test_every_key_may_be_missing() -> None:
    assert parse(Outcome, {}, "verdict.json").arm_names == ("single",)
    assert parse(Costs, {}, "cost.json").arms == {}


def test_arms_are_listed_from_the_baseline_on(run_kind: Any, verdict_content: Any) -> None:
    assert parse(Outcome, verdict_content(run_kind()), "verdict.json").arm_names == ("single", "equal", "uncertainty")


@pytest.mark.parametrize(
    "content",
    [[], "text", None, {"tasks": []}, {"tasks": {"t": 1}}, {"tasks": {"t": {"single": {"mean": "many"}}}}, {"seeds": 3},
     {"warnings": {"a": 1}}, {"tasks": {"t": {"arms": {"a\nb": {"ci95": [1]}}}}}, {"recommendation": {"groups": "all"}}],
)  # fmt: skip
def test_a_wrong_kind_of_entry_is_one_line(content: Any) -> None:
    with pytest.raises(DataError) as caught:
        parse(Outcome, content, "verdict.json")
    assert str(caught.value).startswith("verdict.json")
    assert "\n" not in str(caught.value)


def test_what_would_settle_it_is_said_only_where_it_is_unclear() -> None:
    settle = Settle(seeds=9, rows=12_000, smallest_effect=0.004)
    assert settle_lines("accuracy", Said(verdict="helps", settle=settle)) == ()
    assert settle_lines("accuracy", Said(verdict="unclear")) == ()
    assert settle_lines("rmse", Said(verdict="unclear", settle=Settle(smallest_effect=0.5))) == (
        "neither more seeds nor more test rows would settle it", "could have seen ± 0.50",
    )  # fmt: skip


@pytest.mark.parametrize(("times", "said"), [(1, "once"), (3, "3 times"), (None, "unknown")])
def test_openings_are_said(times: int | None, said: str) -> None:
    assert said in openings_sentence(Outcome(test_openings=times))


def test_a_choice_is_explained_where_other_arms_stand_alone(run_kind: Any, verdict_content: Any) -> None:
    assert choice_sentence(parse(Outcome, verdict_content(run_kind()), "")).startswith("uncertainty was chosen on validation data")
    assert choice_sentence(parse(Outcome, verdict_content(run_kind(arms=("equal",))), "")) == ""
