"""A verdict with its advice, as text, Markdown, a frame, LaTeX or a chart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from polytask.options.verdict_options.tolerance import DEFAULT_TOLERANCE
from polytask.verdicts.advice import advise, saved_share
from polytask.verdicts.shown.advice_sentences import Circumstances, RecommendedArm, advice_sentences
from polytask.verdicts.shown.verdict_tables import verdict_chart, verdict_frame, verdict_html, verdict_latex, verdict_markdown, verdict_text
from polytask.verdicts.verdict_result import VerdictData

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from polytask.verdicts.shown.difference_chart import SvgImage


@dataclass(frozen=True, repr=False)
class Verdict(VerdictData):
    """Verdict of a study for every task and arm, with advice.

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

    advised: RecommendedArm | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return the advice, then the mean over tasks, then lines per task and arm."""
        return verdict_text(self, self._advice)

    def _repr_markdown_(self) -> str:
        return verdict_markdown(self, self._advice)

    def _repr_html_(self) -> str:
        return verdict_html(self, self._advice)

    @property
    def _advice(self) -> RecommendedArm | None:
        """Advice that is shown with the verdict; `None` for a single task or several arms without a choice."""
        if self.advised is not None:
            return self.advised
        return self.recommend() if len(self.tasks) > 1 and (self.chosen or len(self.arms) == 1) else None

    def with_advice(self, advised: RecommendedArm) -> Verdict:
        """Return the verdict with the advice that is shown with it."""
        return replace(self, advised=advised)

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
        return RecommendedArm(found, advice_sentences(found, self, Circumstances(networks=networks)))

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
