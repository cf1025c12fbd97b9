"""One backward of Σ w_t L_t: enough for methods that look at the losses, or at next to nothing more."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from polytask.balancing import Answer
from polytask.gradients.path import Parts, Path, weights_of
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
        self._names = names
        return [True] * len(names)

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
        present = [task for task in self._parts if task in weights]
        if not present:
            return
        plain = _sum([self._parts[task] for task in present])
        if all(weights[task] == 1.0 for task in present):
            self._backward(plain)
            return
        weighted = _sum([self._parts[task] * weights[task] for task in present])
        if heads:
            self._backward(weighted)
            return
        shared = self._setting.layout(self._parts).parameters
        reach = Reach(known=shared)
        private = list({id(leaf): leaf for task in present for leaf in reach(self._parts[task])}.values())
        for total, parameters, keep in ((weighted, shared, True), (plain, tuple(private), self._keep)):
            if parameters and total.requires_grad:
                found = torch.autograd.grad(self._setting.scaled(total), parameters, retain_graph=keep, allow_unused=True)
                self._setting.sink.add(parameters, found)

    def _local(self) -> list[Tensor]:
        """Per task present its loss; nothing for those that only other processes have."""
        return [self._parts.get(task, torch.zeros(())) for task in self._names]

    def _backward(self, total: Tensor) -> None:
        if total.requires_grad:
            self._setting.sink.backward(self._setting.scaled(total), keep=self._keep)


def _sum(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _flat(gradients: tuple[Tensor | None, ...], parameters: list[Tensor]) -> Tensor:
    filled = (torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True))
    return torch.cat([gradient.flatten() for gradient in filled])
