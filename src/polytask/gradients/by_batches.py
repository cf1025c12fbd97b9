"""Several independent batches in one step, or losses at other values of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from torch import Tensor

from polytask.balancing import Answer, Look
from polytask.gradients.by_losses import ByLosses
from polytask.gradients.gramian import cross_gramian
from polytask.gradients.looking import Looking
from polytask.gradients.path import Parts, Path
from polytask.gradients.private import Private
from polytask.gradients.rows import Rows
from polytask.gradients.setting import Setting
from polytask.gradients.walking import walk_each


@final
class ByBatches(Path):
    """The batches' gradients are compared, or looked for elsewhere; the answer's weights then walk the losses of the step once.

    Args:
        setting: Where gradients come from and go to.
        batches: Per batch the tasks' mean losses, with their graphs.
        look: Losses and gradients elsewhere.
    """

    in_parts: ClassVar[bool] = False

    def __init__(self, setting: Setting, batches: Sequence[Parts], look: Looking) -> None:
        self._setting, self._batches, self._look = setting, batches, look
        self._final = ByLosses(setting)
        self._names: tuple[str, ...] = ()
        self._found: dict[int, Rows] = {}

    def take(self, parts: Parts, *, keep: bool) -> None:
        """The losses that the answer's weights are for."""
        self._final.take(parts, keep=keep)

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Gradients are not known yet."""
        self.only(names)
        return self._final.finish(names)

    def only(self, names: tuple[str, ...]) -> None:
        """These tasks alone."""
        self._names = self._look.names = names

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """(T, T) float64 J₁ J₂ᵀ."""
        return cross_gramian(self._rows(first).jacobian(), self._rows(second).jacobian())

    def look(self) -> Look:
        """Losses and gradients elsewhere."""
        return self._look

    def fill(self, names: tuple[str, ...], answer: Answer, *, heads: bool) -> None:
        """Σ w_t ∂L_t/∂θ."""
        self._final.fill(names, answer, heads=heads)

    def _rows(self, batch: int) -> Rows:
        if batch not in self._found:
            parts = self._batches[batch]
            rows = self._setting.rows(parts, batch)
            walk_each(parts, self._setting, Private(), rows.add, None, keep=True)
            rows.scale = self._setting.scale
            rows.finish(self._names)
            self._found[batch] = rows
        return self._found[batch]
