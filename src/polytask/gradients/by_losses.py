"""One backward of Σ w_t L_t: enough for methods that look at the losses, or at next to nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from polytask.balancing import Answer
from polytask.gradients.path import Parts, Path, head_weights, weights_of
from polytask.gradients.setting import Setting
from polytask.gradients.sharing import Reach
from polytask.gradients.walking import gradients_of


@final
class ByLosses(Path):
    """Weighs first, and walks once.

    Where weights hold for the shared parameters alone, heads are walked a second time: Σ L_t for them, Σ w_t L_t for the trunk.
    """

    at_once = True

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._parts: Parts = {}
        self._keep = False
        self._names: tuple[str, ...] = ()

    def take(self, parts: Parts, *, keep: bool) -> None:
        """Keep the losses with their graphs."""
        self._parts, self._keep = parts, keep

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Gradients are not known yet."""
        self.only(names)
        return [True] * len(names)

    def only(self, names: tuple[str, ...]) -> None:
        """These tasks alone."""
        self._names = names

    def norms(self) -> Tensor:
        """(T,) float64 ‖∂L_t/∂θ‖ for θ the last shared layer: graphs are walked down to there, and not further."""
        layout = self._setting.layout(self._parts)
        last = [layout.parameters[number] for number in layout.last()]
        scaled = self._setting.scaled
        rows = [_flat(gradients_of(scaled(part), last, keep=True), last) for part in self._local()]
        norms: Tensor = self._setting.traffic.total(torch.stack(rows)).double().norm(dim=1)
        return norms.cpu() / self._setting.scale

    def fill(self, names: tuple[str, ...], answer: Answer, *, heads: bool) -> None:
        """Σ w_t ∂L_t/∂θ."""
        weights = dict(zip(names, weights_of(answer, "the answer to losses").tolist(), strict=True))
        present = {task: part for task, part in self._parts.items() if task in weights and part.requires_grad}
        if not present:
            return
        losses, weighted = tuple(present.values()), [weights[task] for task in present]
        of_heads = dict(zip(names, head_weights(answer, len(names), heads=heads), strict=True))
        plain = [of_heads[task] for task in present]
        if plain == weighted:
            self._setting.sink.backward(losses, self._slopes(losses, weighted), keep=self._keep)
            return
        shared = self._setting.layout(self._parts).parameters
        reach = Reach(known=shared)
        private = tuple({id(leaf): leaf for loss in losses for leaf in reach(loss)}.values())
        for slopes, parameters, keep in ((weighted, shared, True), (plain, private, self._keep)):
            if parameters:
                found = torch.autograd.grad(losses, parameters, self._slopes(losses, slopes), retain_graph=keep, allow_unused=True)
                self._setting.sink.add(parameters, found)

    def _local(self) -> list[Tensor]:
        """Per task present its loss; nothing for those that only other processes have."""
        return [self._parts.get(task, torch.zeros(())) for task in self._names]

    def _slopes(self, losses: Sequence[Tensor], weights: Sequence[float]) -> list[Tensor]:
        """Where the walk starts: every loss's weight, scaled. So Σ w_t L_t itself is never computed."""
        return [self._setting.scaled(torch.full_like(loss, weight)) for loss, weight in zip(losses, weights, strict=True)]


def _flat(gradients: tuple[Tensor | None, ...], parameters: list[Tensor]) -> Tensor:
    filled = (torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True))
    # Where nothing is shared, nothing is long.
    return torch.cat([gradient.flatten() for gradient in filled]) if parameters else torch.zeros(0)
