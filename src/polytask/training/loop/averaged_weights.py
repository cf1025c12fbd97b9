"""Exponential moving average of a network's weights and buffers during training."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from polytask.devices import CPU, device_of

WARM_UP_STEPS = 10
_AVERAGED_TYPES = (torch.float32, torch.float64)


@final
class AveragedWeights:
    """Exponential moving average of everything in a network that training changes.

        ā_t = d_t ā_{t−1} + (1 − d_t) a_t,   d_t = min(exp(−1 / (h S)), t / (t + 10))

    where t = 1, 2, … counts the steps that changed the network, S is the number of steps per epoch, and h is the horizon in epochs. Until
    t is about 10 h S the average covers about the last tenth of the steps, so that the initial weights soon have no part in it. The noise
    of single steps averages out, and training needs no falling learning rate to end well (Polyak & Juditsky, SIAM J. Control Optim. 30(4),
    1992; with a moving window as in Tarvainen & Valpola, NeurIPS 2017, section 3).

    Averaged are parameters that are trained, and the buffers of real numbers, such as running means, also those that exist once per source.
    Buffers that do not change, or hold integers, infinite numbers or a value that follows a schedule (those that a module names in
    `source_independent_buffers`), are those of the network at all times. Parameters of less than 32 bits are averaged in 32 bits.

    A buffer has an average from the first epoch at whose start all its values are finite. A step after which one of them is not leaves the
    average of that buffer as it is.

    Args:
        model: Network that is trained.
        horizon: Horizon h in epochs.

    Attributes:
        values: Averages by the name of the parameter or buffer.
        steps: Number t of steps so far.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> averages = AveragedWeights(model, horizon=3.0)
        >>> with torch.no_grad():
        ...     before = model.weight.clone()
        ...     _ = model.weight.add_(1.1)
        >>> averages.update(steps_per_epoch=20)  # d₁ = 1 / 11
        >>> with averages.applied():
        ...     round((model.weight - before).item(), 6)
        1.0
        >>> round((model.weight - before).item(), 6)
        1.1
    """

    def __init__(self, model: nn.Module, horizon: float) -> None:
        self.model, self.horizon = model, horizon
        self.values: dict[str, Tensor] = {}
        self.steps = 0
        self.track()

    def track(self) -> None:
        """Start the averages of parameters and buffers that are new, such as parameters that are no longer frozen, at their values."""
        trained = {name: parameter.detach() for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        self._parameters = {name: tensor for name, tensor in trained.items() if name in self.values or _has_mean(tensor)}
        self._places = {
            name: (module, own)
            for path, module in self.model.named_modules()
            for own, buffer in module._buffers.items()
            for name in [f"{path}.{own}".lstrip(".")]
            if buffer is not None and own not in getattr(module, "source_independent_buffers", ())
            if name in self.values or _has_mean(buffer)
        }
        self._on_accelerator = device_of(self.model) != CPU
        self.values = {name: self.values.get(name, _wide(tensor).detach().clone()) for name, tensor in self._live().items()}

    def _live(self) -> dict[str, Tensor]:
        """Return the present values, by name; a module may have replaced the tensor of a buffer."""
        buffers = {name: module._buffers[own] for name, (module, own) in self._places.items()}
        return {**self._parameters, **{name: buffer for name, buffer in buffers.items() if buffer is not None}}

    def update(self, steps_per_epoch: int) -> None:
        """Add the present weights and buffers to the averages.

        Args:
            steps_per_epoch: Number of steps S of an epoch.
        """
        self.steps += 1
        decay = min(math.exp(-1 / (self.horizon * steps_per_epoch)), self.steps / (self.steps + WARM_UP_STEPS))
        live = self._live()
        lost = self._not_finite(live)
        names = [name for name in self.values if name not in lost] if lost else list(self.values)
        if self._on_accelerator:
            live = {name: self._counted(name, tensor) for name, tensor in live.items()}
        with torch.no_grad():
            torch._foreach_lerp_([self.values[name] for name in names], [_wide(live[name]) for name in names], 1 - decay)

    def _counted(self, name: str, tensor: Tensor) -> Tensor:
        """Return the value that counts for an average on an accelerator: the average itself for a buffer that is not finite."""
        wide = _wide(tensor)
        if name not in self._places or not tensor.numel():
            return wide
        return torch.where(torch.linalg.vector_norm(wide.detach(), torch.inf).isfinite(), wide, self.values[name])

    def _not_finite(self, live: Mapping[str, Tensor]) -> set[str]:
        """Return the names of the buffers on the CPU that hold a value that is not finite; the loop refuses parameters that do.

        Of an accelerator it would have to be waited for: `_counted` finds such buffers there.
        """
        names = [] if self._on_accelerator else [name for name in self._places if name in live and live[name].numel()]
        if not names:
            return set()
        largest = torch._foreach_norm([live[name].detach() for name in names], torch.inf)
        finite = torch.stack([*largest]).isfinite().tolist()
        return {name for name, whole in zip(names, finite, strict=True) if not whole}

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the averages take the places of the weights and buffers in the network during the block; nothing may train in it."""
        live = self._live()
        kept = {name: live[name].clone() for name in self.values}
        _fill(live, self.values)
        try:
            yield
        finally:
            _fill(live, kept)

    def settle(self, parameters: Collection[nn.Parameter]) -> None:
        """Set parameters that are trained no longer to their averages, which then stay as they are."""
        own = {id(parameter) for parameter in parameters}
        _fill({name: value for name, value in self.model.named_parameters() if id(value) in own and name in self.values}, self.values)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and the number of steps."""
        return {"values": self.values, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state from `state_dict`, after that of the network; what it lacks starts at its value in the network.

        A buffer that was not finite at the start has its average in the state all the same.
        """
        self.steps, self.values = state["steps"], dict(state["values"])
        self.track()
        live = self._live()
        self.values = {name: _wide(live[name]).detach().clone() for name in self.values}
        _fill(self.values, {**self.values, **state["values"]})


def _has_mean(tensor: Tensor) -> bool:
    """Return whether a tensor holds finite real numbers."""
    return tensor.is_floating_point() and bool(torch.isfinite(tensor).all())


def _wide(tensor: Tensor) -> Tensor:
    """Return a tensor of at least 32 bits with the same values."""
    return tensor if tensor.dtype in _AVERAGED_TYPES else tensor.float()


def _fill(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy values into tensors of the same names, in place."""
    with torch.no_grad():
        for name in tensors:
            tensors[name].copy_(values[name])
