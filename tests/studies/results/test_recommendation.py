"""What to ship, for every combination of words that matters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from polytask.run_files import ArmCost, Recommendation
from polytask.studies.results.recommendation import recommend
from polytask.studies.spec.arms import ResolvedArm, parse_arm
from polytask.verdicts.verdict_result import Verdict


def arm_cost(*figures: float) -> ArmCost:
    """Figures in the order of the file."""
    return ArmCost.model_validate(dict(zip(ArmCost.model_fields, figures, strict=False)))


SINGLE = arm_cost(3, 3_000, 600, 0, 0, 3.0, 30.0, 300.0, 10.0, 0)
SMALL = arm_cost(1, 1_200, 250, 1_000, 350, 1.0, 10.0, 100.0, 10.0, 0)
LARGE = arm_cost(1, 9_000, 900, 8_000, 0, 4.0, 10.0, 100.0, 10.0, 0)
SIZE = {"helps": 0.02, "hurts": -0.03, "same": 0.0001, "unclear": 0.004}


def verdict_of(words: dict[str, str], arm: str = "equal") -> Verdict:
    """A verdict with these words."""

    def of(word: str) -> Any:
        decision = SimpleNamespace(power=SimpleNamespace(seeds=9) if word == "unclear" else None)
        return SimpleNamespace(claim=word, difference=SIZE[word], decision=decision)

    tasks = {task: SimpleNamespace(metric="accuracy", arms={arm: of(word)}) for task, word in words.items()}
    return cast("Verdict", SimpleNamespace(tasks=tasks))


def recommended(words: str, cost: ArmCost = SMALL, protect: tuple[str, ...] = (), arm: ResolvedArm | None = None) -> Recommendation:
    names = ("a", "b", "c")
    chosen = arm or parse_arm("equal", names)
    return recommend(
        verdict_of(dict(zip(names, words.split(), strict=True)), chosen.name), chosen, names, {"single": SINGLE, chosen.name: cost}, protect
    )


@pytest.mark.parametrize(
    ("words", "cost", "protect", "arm", "says"),
    [
        ("helps helps helps", SMALL, (), "equal", "it helps a (+2.00 points of accuracy)"),
        ("helps same same", SMALL, (), "equal", "leaves b and c the same, with one network instead of 3"),
        ("same same same", SMALL, (), "equal", "no difference that matters, with one network instead of 3, 1,200 parameters"),
        ("same same same", LARGE, (), "single", "saves nothing (9,000 parameters instead of 3,000"),
        ("helps same same", LARGE, (), "equal", "it helps a"),
        ("helps hurts same", SMALL, (), "single", "hurts b (-3.00 points of accuracy)"),
        ("helps unclear same", SMALL, (), "single", "for b is unclear; about 9 seeds would settle it"),
        ("unclear unclear unclear", SMALL, (), "single", "does harm or good is unclear"),
        ("helps hurts same", SMALL, ("a", "c"), "equal", "b (-3.00 points of accuracy) pays for it, which is not protected"),
        ("helps hurts same", SMALL, ("b",), "single", "hurts b"),
        ("helps unclear same", SMALL, ("a",), "equal", "what it does to b is unclear, which is not protected"),
        ("same hurts same", SMALL, ("a",), "single", "helps no task and hurts b"),
        ("same unclear same", SMALL, ("a", "c"), "equal", "what it does to b is unclear"),
        ("hurts unclear helps", SMALL, (), "single", "hurts a"),
    ],
)  # fmt: skip
def test_the_words_the_cost_and_what_is_protected_decide(words: str, cost: ArmCost, protect: tuple[str, ...], arm: str, says: str) -> None:
    found = recommended(words, cost, protect)
    assert found.arm == arm
    assert says in found.reason
    assert found.reason.count(".") >= 1
    assert "\n" not in found.reason
    assert found.groups == ((("a", "b", "c"),) if arm == "equal" else (("a",), ("b",), ("c",)))


def test_groups_are_recommended_as_they_were_made() -> None:
    arm = ResolvedArm("grouped", (("a", "c"), ("b",)), max_groups=2)
    found = recommended("helps same helps", arm=arm)
    assert found.groups == (("a", "c"), ("b",))
    assert found.reason.startswith("Train a with c and b in groups (grouped)")
