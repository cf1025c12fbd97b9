"""Every task's gradient of the shared parameters on its own, then combined."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from polytask.balancing import Answer, AtRepresentations, Direction, GroupWeights
from polytask.balancing.needs import Groups
from polytask.errors import ConfigError
from polytask.gradients.heads import Features, walk_heads
from polytask.gradients.path import Parts, Path, head_weights, weights_of
from polytask.gradients.private import Private
from polytask.gradients.rows import Rows
from polytask.gradients.setting import Setting
from polytask.gradients.sharing import add_to_grad
from polytask.gradients.walking import walk_batched, walk_each


@final
class ByRows(Path):
    """Keeps a row per task, exact, over all micro-batches of a step.

    Args:
        setting: Where gradients come from and go to.
        groups: Which groups the balancer asked for.
        wanted: The only tasks whose rows it asked for.
        gramian: Whether Gramians will be asked for in any case.
        last: Whether norms are those of the last layer alone.
        features: The representations, for the batched route.
    """

    def __init__(
        self,
        setting: Setting,
        groups: Groups = "whole",
        *,
        wanted: tuple[str, ...] | None = None,
        gramian: bool = False,
        features: Features = (),
        last: bool = False,
    ) -> None:
        self._setting, self._groups, self._features, self._gramian, self._last = setting, groups, features, gramian, last
        self._wanted = None if wanted is None else frozenset(wanted)
        self._private = Private()
        self._rows: Rows | None = None
        self._gramians: Tensor | None = None

    def take(self, parts: Parts, *, keep: bool) -> None:
        """Walk every task's graph, and add to its row."""
        setting = self._setting
        if self._rows is None:
            self._rows = setting.rows(parts)
        if setting.batched and self._features and self._wanted is None:
            heads = walk_heads(parts, self._features, setting, self._private, keep=keep)
            found = [(z, head.names, head.stack) for z, head in zip(self._features, heads, strict=True)]
            walk_batched(found, setting, self._rows.add, keep=keep)
        else:
            walk_each(parts, setting, self._private, self._rows.add, self._wanted, keep=keep)

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Rows in the order of the tasks."""
        rows = self._known()
        rows.scale = self._setting.scale
        self.only(names)
        # A row is finite exactly where its length is, and lengths come with the Gramian: no further look at the rows is needed.
        lengths = self.gramians("whole")[0].diagonal() if self._gramian else None
        fine = rows.finite() if lengths is None else torch.isfinite(lengths).tolist()
        finite = dict(zip(self._with_rows(names), fine, strict=True))
        return [finite.get(task, True) for task in names]

    def only(self, names: tuple[str, ...]) -> None:
        """Rows of these tasks alone."""
        self._known().finish(self._with_rows(names))
        self._gramians = None

    def norms(self) -> Tensor:
        """(T,) float64 ‖g_t‖."""
        if self._last:
            return self._known().norms_of(self._known().layout.last())
        return self.gramians("whole")[0].diagonal().sqrt()

    def gramians(self, groups: Groups | None = None) -> Tensor:
        """(K, T, T) float64 of the groups that were asked for, or their sum."""
        if self._gramians is None:
            self._gramians = self._known().gramians(self._groups)
        return self._gramians.sum(0, keepdim=True) if groups == "whole" else self._gramians

    def conflicts(self) -> Tensor | None:
        """(T, T) the Gramian, if anybody asked for it."""
        return None if self._gramians is None else self._gramians.sum(0)

    def jacobian(self) -> Tensor:
        """(T, P) one row per task."""
        return self._known().jacobian()

    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Per group its columns."""
        return self._known().layout.groups(self._groups)

    def fill(self, names: tuple[str, ...], answer: Answer, *, heads: bool) -> None:
        """Combine the rows, and hand the private gradients on."""
        rows = self._known()
        met = rows.met()
        views = rows.layout.views(self._direction(answer))
        add_to_grad(rows.layout.parameters, [view if some else None for view, some in zip(views, met, strict=True)], owned=True)
        self._private.fill(self._setting.sink, names, head_weights(answer, len(names), heads=heads))

    def _direction(self, answer: Answer) -> Tensor:
        rows = self._known()
        if isinstance(answer, AtRepresentations):
            raise ConfigError("an answer at representations needs them", where="needs()", remedy="Ask for Representations")
        if isinstance(answer, Direction):
            # A new tensor: the balancer may remember its own, and `.grad` is changed in place.
            return answer.values.to(rows.layout.dtype, copy=True).mul_(rows.scale)
        if isinstance(answer, GroupWeights):
            return rows.combined_in_groups(answer.values, self._groups)
        return rows.combined(weights_of(answer, "the answer to rows"))

    def _with_rows(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(task for task in names if self._wanted is None or task in self._wanted)

    def _known(self) -> Rows:
        if self._rows is None:
            self._rows = self._setting.rows({})
        return self._rows
