"""A verdict, its advice, and their conversion to the content of verdict.json."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from polytask.options.tolerance import DEFAULT_TOLERANCE
from polytask.verdicts.advice import advise, saved_share
from polytask.verdicts.shown.advice_sentences import Circumstances, advice_sentences
from polytask.verdicts.shown.verdict_tables import verdict_chart, verdict_frame, verdict_latex, verdict_markdown, verdict_text
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from polytask.run_files import VerdictFile
    from polytask.verdicts.advice import Advice
    from polytask.verdicts.arm_verdict import ArmSummary, TaskVerdict
    from polytask.verdicts.shown.advice_sentences import AdviceSentences
    from polytask.verdicts.shown.difference_chart import SvgImage
    from polytask.verdicts.spending.seed_plan import SeedPlan

SIGNIFICANT_DIGITS = 12


@dataclass(frozen=True)
class Verdict:
    """Verdict of a study for every task and arm.

    Attributes:
        baseline: Name of the arm that the others are compared with.
        chosen: Name of the arm chosen on validation data; `None` if all arms form the family.
        seeds: Names of the seeds.
        plan: Planned looks at the test data and the error spent at them.
        openings: Number of times that the test data were opened.
        tasks: Verdict per task.
        arms: Mean change per arm, with its own verdict.
        warnings: Reasons to be careful with the results.
        titles: Display names of arms, by name; other arms are shown by their names.
        advised: Advice that is shown with the verdict, with the stakes of its study; `None` shows that of `recommend()`.
    """

    baseline: str
    chosen: str | None
    seeds: tuple[int | str, ...]
    plan: SeedPlan
    openings: int
    tasks: Mapping[str, TaskVerdict]
    arms: Mapping[str, ArmSummary]
    warnings: tuple[str, ...]
    titles: Mapping[str, str] = field(default_factory=dict, compare=False)
    advised: RecommendedArm | None = field(default=None, compare=False)

    def with_advice(self, advised: RecommendedArm) -> Verdict:
        """Return the verdict with the advice that is shown with it."""
        return replace(self, advised=advised)

    def with_titles(self, titles: Mapping[str, str]) -> Verdict:
        """Return the verdict with display names of arms, by name."""
        return replace(self, titles=titles, tasks={name: replace(task, titles=titles) for name, task in self.tasks.items()})

    def __repr__(self) -> str:
        return f"<Verdict on {len(self.tasks)} tasks, {len(self.arms)} arms against {self.title(self.baseline)}, {len(self.seeds)} seeds>"

    def __str__(self) -> str:
        """Return the mean over tasks, then one line per task and arm, then the advice."""
        return verdict_text(self)

    def _repr_markdown_(self) -> str:
        return verdict_markdown(self)

    def title(self, arm: str) -> str:
        """Return the display name of an arm."""
        return self.titles.get(arm, arm)

    @property
    def level(self) -> float:
        """Familywise error that is spent so far."""
        looked = [share for look, share in zip(self.plan.looks, self.plan.spent, strict=True) if look <= len(self.seeds)]
        return FAMILYWISE_LEVEL * (looked or self.plan.spent[:1])[-1]

    def recommend(self, *, protect: Sequence[str] = (), tolerate: float | str = DEFAULT_TOLERANCE, networks: int = 1) -> RecommendedArm:
        """Advise whether to train together or separately, by expected utility (`polytask.verdicts.advice`).

        Args:
            protect: Tasks that must not lose more than is tolerated.
            tolerate: What one network instead of one per task is worth, per task: a number of margins, or a percentage such as "1%".
            networks: Number of joint networks; if they are not cheaper than separate ones, give the number of tasks.

        Raises:
            ConfigError: There is a single task, or several arms of which none was chosen, or a protected task does not exist.

        Example:
            >>> import pandas as pd
            >>> from polytask.verdicts import verdict
            >>> tasks = ("churn", "value")
            >>> rows = [("single", s, t, u, u % 2, u % 2 if u > 4 else 0) for s in range(5) for t in tasks for u in range(40)]
            >>> rows += [("equal", s, t, u, u % 2, u % 2) for s in range(5) for t in tasks for u in range(40)]
            >>> columns = ["arm", "seed", "task", "unit", "target", "prediction"]
            >>> print(verdict(pd.DataFrame(rows, columns=columns)).recommend().headline)
            Train churn and value together: likely to pay, not shown.
        """
        saved = saved_share(len(self.tasks), networks)
        found = advise(self, saved=saved, protect=protect, tolerate=tolerate)
        return RecommendedArm(found, advice_sentences(found, self, Circumstances()))

    def to_frame(self) -> pd.DataFrame:
        """Return a row per task and arm, and one per arm for the mean over tasks in margins, whose task is "all tasks"."""
        return verdict_frame(self)

    def to_latex(self) -> str:
        """Return a table in LaTeX, for the package booktabs."""
        return verdict_latex(self)

    def plot(self, task: str | None = None) -> SvgImage:
        """Draw the differences with their intervals, of one task or of the mean over tasks; notebooks show the result.

        Args:
            task: Name of the task; `None` draws the differences of all tasks in margins.

        Raises:
            ConfigError: The task does not exist, or the extra `charts` is not installed.
        """
        return verdict_chart(self, task)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of verdict.json: numbers with 12 significant digits, and `None` for numbers that are not finite."""
        rounded: dict[str, Any] = _rounded(self.record().to_dict())
        return rounded

    def record(self) -> VerdictFile:
        """Return the content of verdict.json as typed sections."""
        from polytask.run_files import VerdictFile

        return VerdictFile(
            baseline=self.baseline,
            chosen=self.chosen,
            seeds=self.seeds,
            level=self.level,
            looks=self.plan.looks,
            continuations=self.plan.continuations,
            test_openings=self.openings,
            tasks={name: task.record() for name, task in self.tasks.items()},
            arms={name: arm.record() for name, arm in self.arms.items()},
            warnings=self.warnings,
        )


@dataclass(frozen=True)
class RecommendedArm:
    """Advice with its sentences.

    Attributes:
        advice: Level, expected utility and bounds.
        sentences: Headline, risk, cost and next step.
    """

    advice: Advice
    sentences: AdviceSentences

    @property
    def headline(self) -> str:
        """What to do, in at most 12 words."""
        return self.sentences.headline

    def __str__(self) -> str:
        """Return the four sentences, one per line."""
        return "\n".join(line for line in self.sentences.lines if line)

    def _repr_markdown_(self) -> str:
        first, *rest = (line for line in self.sentences.lines if line)
        return "\n\n".join([f"**{first}**", *rest])


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value
