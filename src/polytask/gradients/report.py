"""What a call of `Backward` did, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from polytask.gradients.conflicts import Conflicts


@dataclass(frozen=True)
class Report:
    """What a call did.

    Attributes:
        losses: Per task present its mean loss () over what has been seen of the step, without graph.
        weights: Per task present its weight; empty while the balancer waits for the rest of the step, and for
            methods that give a direction or a weight per group.
        conflicts: Cosines and lengths of the tasks' gradients, where the balancer asked for their Gramian anyway.
        solved: Whether the balancer's own condition had a solution.
        dropped: The tasks whose loss or gradient was not finite, and that had no part in the step for that reason.
        skipped: Whether no task had a part in the step for that reason.
    """

    losses: dict[str, Tensor]
    weights: dict[str, float] = field(default_factory=dict)
    conflicts: Conflicts | None = None
    solved: bool = True
    dropped: tuple[str, ...] = ()
    skipped: bool = False

    def __repr__(self) -> str:
        parts = [f"{task} {float(loss):.4g}{self._weight(task)}" for task, loss in self.losses.items()]
        marks = {f"dropped {', '.join(self.dropped)}": bool(self.dropped), "skipped": self.skipped, "unsolved": not self.solved}
        notes = [mark for mark, holds in marks.items() if holds]
        return f"<Report: {'; '.join([*parts, *notes]) or 'no losses'}>"

    def _weight(self, task: str) -> str:
        return f" (weight {self.weights[task]:.4g})" if task in self.weights else ""
