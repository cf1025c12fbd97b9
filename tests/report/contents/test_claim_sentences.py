from __future__ import annotations

from typing import Any

import pytest

from polytask.errors import DataError
from polytask.run_files import ArmRecord, CostFile, PowerRecord, VerdictFile
from polytask.verdicts.shown.claim_sentences import chosen_arm_sentence, openings_sentence, sample_size_lines


def test_every_key_may_be_missing() -> None:
    assert VerdictFile.parse({}, "verdict.json").arm_names == ("single",)
    assert CostFile.parse({}, "cost.json").arms == {}


def test_arms_are_listed_from_the_baseline_on(run_kind: Any, verdict_content: Any) -> None:
    assert VerdictFile.parse(verdict_content(run_kind()), "verdict.json").arm_names == ("single", "equal", "uncertainty")


@pytest.mark.parametrize(
    "content",
    [[], "text", None, {"tasks": []}, {"tasks": {"t": 1}}, {"tasks": {"t": {"single": {"mean": "many"}}}}, {"seeds": 3},
     {"warnings": {"a": 1}}, {"tasks": {"t": {"arms": {"a\nb": {"ci95": [1]}}}}}, {"recommendation": {"groups": "all"}}],
)  # fmt: skip
def test_a_wrong_kind_of_entry_is_one_line(content: Any) -> None:
    with pytest.raises(DataError) as caught:
        VerdictFile.parse(content, "verdict.json")
    assert str(caught.value).startswith("verdict.json")
    assert "\n" not in str(caught.value)


def test_what_would_settle_it_is_said_only_where_it_is_unclear() -> None:
    settle = PowerRecord(seeds=9, most_seeds=12, rows=12_000, smallest_effect=0.004)
    assert sample_size_lines("accuracy", ArmRecord(verdict="helps", settle=settle), "5 seeds", 0.01) == ()
    assert sample_size_lines("accuracy", ArmRecord(verdict="unclear"), "5 seeds", 0.01) == ()
    assert sample_size_lines("accuracy", ArmRecord(verdict="unclear", settle=settle), "5 seeds", 0.01) == (
        "differences below 0.40 points cannot be seen with 5 seeds", "9 to 12 seeds or about 12,000 test rows would settle it",
    )  # fmt: skip
    assert sample_size_lines("rmse", ArmRecord(verdict="unclear", settle=PowerRecord(smallest_effect=0.5)), "5 seeds", None) == (
        "differences below 0.50 cannot be seen with 5 seeds", "more seeds would not settle it",
    )  # fmt: skip


def test_a_narrow_interval_names_what_is_excluded() -> None:
    narrow, wide = (PowerRecord(seeds=9, bound=bound) for bound in (0.019, 0.021))
    said = [sample_size_lines("accuracy", ArmRecord(verdict="unclear", settle=settle), "5 seeds", 0.01) for settle in (narrow, wide)]
    assert ["whatever the truth, it is below 1.9 points" in lines for lines in said] == [True, False]


def test_looks_that_disagree_are_said() -> None:
    record = ArmRecord(verdict="unclear", ci95=(0.02, 0.01), settle=PowerRecord(seeds=9))
    assert sample_size_lines("accuracy", record, "8 seeds", 0.01)[0].startswith("looks disagree")


@pytest.mark.parametrize(("times", "expected"), [(1, "once"), (3, "3 times"), (None, "unknown")])
def test_openings_are_said(times: int | None, expected: str) -> None:
    assert expected in openings_sentence(VerdictFile(test_openings=times))


def test_a_choice_is_explained_where_other_arms_stand_alone(run_kind: Any, verdict_content: Any) -> None:
    assert chosen_arm_sentence(VerdictFile.parse(verdict_content(run_kind()), "")).startswith("uncertainty was chosen on validation data")
    assert chosen_arm_sentence(VerdictFile.parse(verdict_content(run_kind(arms=("equal",))), "")) == ""
