"""Adapter that turns TorchJD's aggregators, weightings and scalarizers into balancers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from polytask.balancing.balancer import Answer, Balancer, Direction, Weights
from polytask.balancing.building_blocks.random_stream import RandomStream
from polytask.balancing.interop.torchjd_names import object_named
from polytask.balancing.interop.torchjd_state import extract_state, floating_dtype, restore_state, unserializable_attributes
from polytask.balancing.needs import CrossGramian, Gramian, Jacobian, Losses, Needs
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError, MissingExtraError

StatisticKind = Literal["losses", "gramian", "jacobian", "cross-gramian"]
NEEDS_BY_STATISTIC: Mapping[StatisticKind, Needs] = {
    "losses": Losses(),
    "gramian": Gramian(),
    "jacobian": Jacobian(),
    "cross-gramian": CrossGramian(),
}
STATISTIC_BY_WEIGHTING: Mapping[str, StatisticKind] = {
    "_Composition": "jacobian",
    "ExcessMTLWeighting": "jacobian",
    "MoDoWeighting": "cross-gramian",
    "SDMGradWeighting": "cross-gramian",
}
"""Statistic of the weightings that use something other than the Gramian."""


@final
class TorchJD(Balancer):
    """Balancer that wraps an aggregator, weighting or scalarizer of TorchJD (Quinton & Rey, arXiv 2406.16232; torchjd.org).

    The type of the wrapped object determines which statistic it gets:

    - A scalarizer f gets the losses. The weights are ∂f/∂L_t, including the heads, since f is one scalar loss. If the
      scalarizer has parameters (as UW does), their gradient is added to `.grad`; pass them to the optimizer.
    - An aggregator with a Gramian weighting, or a weighting, gets the Gramian G = J Jᵀ and returns weights.
    - Any other aggregator gets the Jacobian, and returns weights if it has a weighting, otherwise a direction. `TrimmedMean`
      is one of these.
    - `MoDoWeighting` and `SDMGradWeighting` get J₁ J₂ᵀ of two batches; their weights apply to a third one.

    Use it also for Krum and TrimmedMean, for which this library has no balancers. Objects can be named wherever a balancer is:
    `torchjd.PCD(tau=0.1)` is the same as `TorchJD("PCD", tau=0.1)`; lists of numbers become tensors.

    Scale: that of TorchJD, where most aggregators return a mean; `multiply_by_tasks=True` multiplies by T, as in this
    library's methods. Heads get the plain gradient of their task, except with scalarizers.

    Random numbers: TorchJD uses PyTorch's global generator. Here they follow from the balancer's seed, and PyTorch's
    generator is left unchanged.

    State: tensors, arrays and numbers in the object, including its options, are saved and restored. An object that has
    acquired an optimizer or a solver's problem (TorchJD's FAMO after `update`, its NashMTL) cannot be resumed: it restarts
    from its initial state. TorchJD identifies tasks by position, not by name: several of its objects restart when the number
    of tasks present changes, and those with one number per task refuse such a step.

    Deviations: none. Methods that TorchJD expects a training loop to call (`step` of its DWA, `update` of its FAMO) are not
    called automatically.

    Args:
        wrapped: Object from `torchjd.aggregation` or `torchjd.scalarization`, or the name of its class.
        statistic: Statistic of a custom weighting: `losses`, `gramian`, `jacobian` or `cross-gramian`. `None` derives it from
            the type of the object, with `gramian` for custom weightings.
        multiply_by_tasks: Whether to multiply the result by the number of tasks present.
        **options: Arguments of the class, if its name is given.

    Raises:
        MissingExtraError: TorchJD is not installed.
        ConfigError: The name or an argument is unknown, the object is not an aggregator, a weighting or a scalarizer, or the statistic
            does not fit it.

    Example:
        >>> from torchjd.aggregation import TrimmedMean
        >>> TorchJD(TrimmedMean(trim_number=1)).aggregate(torch.tensor([[1.0, 4.0], [2.0, 3.0], [99.0, -99.0]]))
        tensor([2., 3.])
    """

    def __init__(
        self,
        wrapped: nn.Module | str,
        *,
        statistic: StatisticKind | None = None,
        multiply_by_tasks: bool = False,
        **options: Any,  # noqa: ANN401 - whatever the class takes
    ) -> None:
        if statistic is not None and statistic not in NEEDS_BY_STATISTIC:
            raise ConfigError(
                "unknown statistic", where="torchjd, statistic", found=statistic, remedy=f"Choose from: {', '.join(NEEDS_BY_STATISTIC)}"
            )
        wrapped = object_named(wrapped, options) if isinstance(wrapped, str) else wrapped
        self.wrapped, self.multiply_by_tasks = wrapped, multiply_by_tasks
        self._weighting, found = _find_weighting(wrapped)
        if statistic is not None and self._weighting is not wrapped:
            raise ConfigError("only a weighting accepts a statistic", where="torchjd, statistic", found=type(wrapped).__name__)
        self.statistic: StatisticKind = statistic or found
        if self.statistic == "cross-gramian":
            self.batches = 3
        self._dtype = floating_dtype(wrapped)
        self._at_first = unserializable_attributes(wrapped)
        self._stream = RandomStream()

    def needs(self) -> Needs:
        """Request the losses, the Gramian, the Jacobian or the Gramian of two batches."""
        return NEEDS_BY_STATISTIC[self.statistic]

    def weigh(self, statistic: Statistic) -> Answer:
        """Return the answer of the wrapped object.

        Raises:
            ConfigError: The object refuses this step, for instance because of its number of tasks.
        """
        factor = len(statistic.names) if self.multiply_by_tasks else 1
        with _torchjd_errors(self.wrapped), self._own_random_numbers(statistic):
            if self.statistic == "losses":
                return Weights(factor * self._derivative(statistic.losses.to(self._dtype)), heads=True)
            with torch.no_grad():
                seen = self._seen(statistic)
                if self._weighting is None:
                    return Direction(factor * self.wrapped(seen))
                return Weights(factor * self._weighting(seen).double().cpu(), heads=False)

    def seed(self, seed: int) -> None:
        """Seed the random numbers of the wrapped object."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the generator and of the object; the latter is empty if the object cannot be resumed."""
        return {"object": extract_state(self.wrapped, self._at_first), **self._stream.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._stream.load_state_dict(state)
        restore_state(self.wrapped, state["object"])

    def _seen(self, statistic: Statistic) -> Tensor:
        if self.statistic == "jacobian":
            return statistic.jacobian()
        return (statistic.gramian() if self.statistic == "gramian" else statistic.cross_gramian(0, 1)).to(self._dtype)

    def _derivative(self, losses: Tensor) -> Tensor:
        """Return ∂f/∂L, and add ∂f/∂p to `.grad` of the scalarizer's parameters p."""
        own = [parameter for parameter in self.wrapped.parameters() if parameter.requires_grad]
        with torch.enable_grad():
            values = losses.detach().clone().requires_grad_()
            slopes, *of_own = torch.autograd.grad(self.wrapped(values), (values, *own), allow_unused=True)
        for parameter, slope in zip(own, of_own, strict=True):
            if slope is not None:
                parameter.grad = slope if parameter.grad is None else parameter.grad + slope
        return torch.zeros_like(values).double() if slopes is None else slopes.double().cpu()

    @contextmanager
    def _own_random_numbers(self, statistic: Statistic) -> Iterator[None]:
        """Let PyTorch's generator continue the balancer's stream inside the context, and restore it afterwards."""
        before = torch.get_rng_state()
        torch.set_rng_state(self._stream.state_dict()["generator"])
        try:
            with _seeded_cuda(statistic.jacobian().device if self.statistic == "jacobian" else torch.device("cpu")):
                yield
        finally:
            self._stream.load_state_dict({"generator": torch.get_rng_state()})
            torch.set_rng_state(before)


@contextmanager
def _seeded_cuda(device: torch.device) -> Iterator[None]:
    """Seed the GPU's generator from the CPU's inside the context, and restore it afterwards."""
    if device.type != "cuda":
        yield
        return
    seed = int(torch.randint(2**53, ()))
    with torch.random.fork_rng(devices=[device]):
        torch.cuda.manual_seed(seed)
        yield


def _find_weighting(wrapped: object) -> tuple[nn.Module | None, StatisticKind]:
    """Return the part of an object that computes weights, or `None` if it has none, and the statistic that it uses."""
    try:
        from torchjd.aggregation import Aggregator, GramianWeightedAggregator, WeightedAggregator, Weighting
        from torchjd.scalarization import Scalarizer
    except ImportError as error:
        raise MissingExtraError("TorchJD is needed", where="torchjd", found=error, remedy="pip install 'polytask[torchjd]'") from None
    if isinstance(wrapped, Scalarizer):
        return None, "losses"
    if isinstance(wrapped, GramianWeightedAggregator):
        return wrapped.gramian_weighting, "gramian"
    if isinstance(wrapped, WeightedAggregator):
        return wrapped.weighting, "jacobian"
    if isinstance(wrapped, Aggregator):
        return None, "jacobian"
    if isinstance(wrapped, Weighting):
        return wrapped, _statistic_kind_of(wrapped)
    remedy = "Pass an instance, for example TorchJD(Krum(n_byzantine=1))"
    raise ConfigError(
        "an aggregator, a weighting or a scalarizer of TorchJD is needed", where="torchjd", found=type(wrapped).__name__, remedy=remedy
    )


def _statistic_kind_of(weighting: nn.Module) -> StatisticKind:
    """Return the statistic that a weighting uses; for a weighting that wraps another, that of the wrapped one."""
    name, wrapped = type(weighting).__name__, getattr(weighting, "weighting", None)
    if name == "CRMOGMWeighting" and isinstance(wrapped, nn.Module):
        return _statistic_kind_of(wrapped)
    return STATISTIC_BY_WEIGHTING.get(name, "gramian")


@contextmanager
def _torchjd_errors(wrapped: nn.Module) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigError("TorchJD refuses this step", where=f"torchjd, {type(wrapped).__name__}", found=error) from None
