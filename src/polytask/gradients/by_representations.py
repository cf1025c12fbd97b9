"""Heads are walked once, down to what they look at; one backward goes on from there."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from polytask.balancing import Answer, AtRepresentations, Representation
from polytask.balancing.needs import Groups
from polytask.errors import ConfigError
from polytask.gradients.gramian import gramian
from polytask.gradients.heads import Features, HeadGradients, walk_heads
from polytask.gradients.path import Parts, Path, head_weights, weights_of
from polytask.gradients.private import Private
from polytask.gradients.setting import Setting
from polytask.gradients.sharing import Reach


@final
class ByRepresentations(Path):
    """The tasks' gradients of the representations.

    It serves methods that are defined there. For methods of the shared parameters' Gramian it is an approximation: the
    Gramian of ∂L_t/∂z stands for that of ∂L_t/∂θ, whose quadratic forms it bounds up to ‖∂z/∂θ‖² (Sener & Koltun, NeurIPS
    2018, section 3.3).

    Args:
        setting: Where gradients come from and go to.
        features: The representations.
        approximate: Whether their Gramian may stand for that of the parameters.
    """

    in_parts: ClassVar[bool] = False

    def __init__(self, setting: Setting, features: Features, *, approximate: bool) -> None:
        if not features:
            remedy = "Pass what the heads look at, of a trunk that is trained: backward(losses, features=z)"
            raise ConfigError("this needs the representations' gradients", where="features", remedy=remedy)
        self._setting, self._features, self._approximate = setting, features, approximate
        self._private = Private()
        self._found: list[HeadGradients] = []
        self._names: tuple[str, ...] = ()
        self._keep = False
        self._gramian: Tensor | None = None

    def take(self, parts: Parts, *, keep: bool) -> None:
        """Walk the heads, and go on to what lies below the representations and is not shared."""
        self._keep = keep
        layout = self._setting.layout(parts)
        reach = Reach(layout.parameters)
        below = {id(leaf): leaf for feature in self._features for leaf in reach(feature)}
        # One representation may depend on another: then heads are not all that is walked.
        longer = keep or bool(below) or len(self._features) > 1
        self._found = walk_heads(parts, self._features, self._setting, self._private, keep=longer)
        if below:
            self._take_below(tuple(parts), list(below.values()))

    def _take_below(self, names: tuple[str, ...], leaves: list[Tensor]) -> None:
        """Every task's own gradient of masks, adapters or gates between what is shared and what its head looks at."""
        for name in names:
            pairs = [
                (z, head.stack[head.names.index(name)]) for z, head in zip(self._features, self._found, strict=True) if name in head.names
            ]
            pairs = [(z, slope) for z, slope in pairs if z.requires_grad]
            if pairs:
                features, slopes = zip(*pairs, strict=True)
                self._private.add(name, leaves, torch.autograd.grad(features, leaves, slopes, retain_graph=True, allow_unused=True))

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Whether the gradients of all representations are finite."""
        self._agree(names)
        self.only(names)
        fine = dict.fromkeys(names, True)
        for head in self._found:
            fine |= {name: fine[name] and finite for name, finite in zip(head.names, head.finite(), strict=True)}
        return [not bad for bad in self._setting.traffic.any([not good for good in fine.values()])]

    def _agree(self, names: tuple[str, ...]) -> None:
        """A task that looks at a representation in one process has a row in all of them."""
        if self._setting.traffic.processes > 1:
            looks = iter(self._setting.traffic.any([name in head.names for head in self._found for name in names]))
            self._found = [head.and_of([name for name in names if next(looks)]) for head in self._found]

    def only(self, names: tuple[str, ...]) -> None:
        """These tasks alone."""
        self._names, self._found = names, [head.of(names) for head in self._found]

    def representations(self) -> tuple[Representation, ...]:
        """A representation per entry of `features`, with the gradients of the tasks that look at it."""
        scale, total = self._setting.scale, self._setting.traffic.total
        pairs = zip(self._features, self._found, strict=True)
        return tuple(Representation(head.names, z.detach(), head.stack if scale == 1.0 else head.stack / scale, total) for z, head in pairs)

    def gramians(self, groups: Groups | None = None) -> Tensor:
        """(1, T, T) float64 Σ over representations; rows that other processes hold are further coordinates, so that Gramians add up."""
        if not self._approximate:
            raise ConfigError("a balancer looks at what it did not ask for", where="needs()", found="Gramian")
        if groups not in (None, "whole"):
            raise ConfigError("representations belong to no group of parameters", where="route", remedy="Use route='sequential'")
        if self._gramian is None:
            total = torch.zeros(len(self._names), len(self._names), dtype=torch.float64)
            for head in self._found:
                places = torch.tensor([self._names.index(task) for task in head.names], dtype=torch.long)
                total[places[:, None], places] += gramian(head.stack.flatten(1), self._setting.scale)
            self._gramian = self._setting.traffic.total(total)
        return self._gramian.unsqueeze(0)

    def norms(self) -> Tensor:
        """(T,) float64 ‖∂L_t/∂z‖."""
        return self.gramians()[0].diagonal().sqrt()

    def conflicts(self) -> Tensor | None:
        """(T, T) the Gramian, if anybody asked for it."""
        return self._gramian

    def fill(self, names: tuple[str, ...], answer: Answer, *, heads: bool) -> None:
        """One backward from the representations on."""
        layout = self._setting.shared
        shared = () if layout is None else layout.parameters
        pairs = [(z, slope) for z, slope in zip(self._features, self._slopes(names, answer), strict=True) if slope is not None]
        if pairs and shared:
            features, slopes = zip(*pairs, strict=True)
            found = torch.autograd.grad(features, shared, slopes, retain_graph=self._keep, allow_unused=True)
            self._setting.sink.add(shared, found)
        self._private.fill(self._setting.sink, names, head_weights(answer, len(names), heads=heads))

    def _slopes(self, names: tuple[str, ...], answer: Answer) -> list[Tensor | None]:
        """Per representation the scaled gradient that goes on."""
        if isinstance(answer, AtRepresentations):
            return [value.to(z) * self._setting.scale for value, z in zip(answer.values, self._features, strict=True)]
        weights = dict(zip(names, weights_of(answer, "the answer to representations").tolist(), strict=True))
        return [_combined(head, [weights[task] for task in head.names]) for head in self._found]


def _combined(head: HeadGradients, weights: list[float]) -> Tensor | None:
    """Σ w_t ∂L_t/∂z."""
    if not weights:
        return None
    combined: Tensor = torch.tensor(weights).to(head.stack) @ head.stack.flatten(1)
    return combined.view(head.stack.shape[1:])
