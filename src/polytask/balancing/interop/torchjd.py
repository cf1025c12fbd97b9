"""Objects of TorchJD as balancers: its aggregators, weightings and scalarizers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from polytask.balancing.balancer import Answer, Balancer, Direction, Weights
from polytask.balancing.building_blocks.random_stream import RandomStream
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
"""What the weightings look at that look at something else than the Gramian."""


@final
class TorchJD(Balancer):
    """An aggregator, weighting or scalarizer of TorchJD (Quinton & Rey, arXiv 2406.16232; torchjd.org) as a balancer.

    What it looks at follows from what it is:

    - a scalarizer f: the losses. The weights are ∂f/∂L_t, heads included, since f is one scalar loss. Parameters of its
      own (of its UW, say) get their gradient in `.grad`: give them to your optimizer.
    - an aggregator that weighs by the Gramian, or a weighting: the Gramian G = J Jᵀ, which answers weights.
    - any other aggregator: the Jacobian; weights if it has any, otherwise a direction. `TrimmedMean` is one of these.
    - `MoDoWeighting` and `SDMGradWeighting`: G = J₁ J₂ᵀ of two batches; the weights are those of a third one.

    This is also how Krum, TrimmedMean, COSMOS and PBI are used here, which have no balancer of their own.

    Scale: TorchJD's own, in which most aggregators answer a mean; `multiply_by_tasks=True` multiplies by T, as this library
    does with its own methods. Heads get the plain gradient of their own task, except with scalarizers.

    Random numbers, which TorchJD takes from PyTorch's own generator, are here drawn from the balancer's seed; PyTorch's
    generator is left as it was.

    State: tensors, arrays and numbers in the object are saved and put back, its options among them. An object that has
    come to hold an optimizer or a solver's problem (TorchJD's FAMO after `update`, its NashMTL) does not resume: it starts
    afresh. TorchJD knows tasks by their position, not by name: several of its objects start afresh when the number of
    tasks present changes, and those with a number per task refuse such a step.

    Deviations: none; methods of its objects that a training loop has to call (`step` of its DWA, `update` of its FAMO)
    are still yours to call.

    Args:
        wrapped: An object of `torchjd.aggregation` or `torchjd.scalarization`.
        statistic: What a weighting looks at, if that cannot be told from what it is (one of your own).
        multiply_by_tasks: Multiply by the number of tasks present.

    Raises:
        MissingExtraError: TorchJD is not installed.
        ConfigError: The object is neither aggregator, weighting nor scalarizer.

    Example:
        >>> from torchjd.aggregation import TrimmedMean
        >>> TorchJD(TrimmedMean(trim_number=1)).aggregate(torch.tensor([[1.0, 4.0], [2.0, 3.0], [99.0, -99.0]]))
        tensor([2., 3.])
    """

    def __init__(self, wrapped: nn.Module, *, statistic: StatisticKind | None = None, multiply_by_tasks: bool = False) -> None:
        if statistic is not None and statistic not in NEEDS_BY_STATISTIC:
            raise ConfigError(
                "it cannot look at that", where="torchjd, of", found=statistic, remedy=f"Choose from: {', '.join(NEEDS_BY_STATISTIC)}"
            )
        self.inside, self.multiply_by_tasks = wrapped, multiply_by_tasks
        self._weighting, found = _find_weighting(wrapped)
        if statistic is not None and self._weighting is not wrapped:
            raise ConfigError("only a weighting may look at something else", where="torchjd, of", found=type(wrapped).__name__)
        self.of: StatisticKind = statistic or found
        if self.of == "cross-gramian":
            self.batches = 3
        self._dtype = floating_dtype(wrapped)
        self._at_first = unserializable_attributes(wrapped)
        self._stream = RandomStream()

    def needs(self) -> Needs:
        """Losses, Gramian, Jacobian or the Gramian of two batches."""
        return NEEDS_BY_STATISTIC[self.of]

    def weigh(self, statistic: Statistic) -> Answer:
        """What the object answers.

        Raises:
            ConfigError: The object refuses this step, for its number of tasks for instance.
        """
        factor = len(statistic.names) if self.multiply_by_tasks else 1
        with _torchjd_errors(self.inside), self._own_random_numbers(statistic):
            if self.of == "losses":
                return Weights(factor * self._derivative(statistic.losses.to(self._dtype)), heads=True)
            with torch.no_grad():
                seen = self._seen(statistic)
                if self._weighting is None:
                    return Direction(factor * self.inside(seen))
                return Weights(factor * self._weighting(seen).double().cpu(), heads=False)

    def seed(self, seed: int) -> None:
        """Seed the random numbers that the object draws."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """The generator, and what the object remembers; nothing of an object that does not resume."""
        return {"object": extract_state(self.inside, self._at_first), **self._stream.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._stream.load_state_dict(state)
        restore_state(self.inside, state["object"])

    def _seen(self, statistic: Statistic) -> Tensor:
        if self.of == "jacobian":
            return statistic.jacobian()
        return (statistic.gramian() if self.of == "gramian" else statistic.cross_gramian(0, 1)).to(self._dtype)

    def _derivative(self, losses: Tensor) -> Tensor:
        """∂f/∂L; ∂f/∂p is added to `.grad` of the scalarizer's own parameters."""
        own = [parameter for parameter in self.inside.parameters() if parameter.requires_grad]
        with torch.enable_grad():
            values = losses.detach().clone().requires_grad_()
            slopes, *of_own = torch.autograd.grad(self.inside(values), (values, *own), allow_unused=True)
        for parameter, slope in zip(own, of_own, strict=True):
            if slope is not None:
                parameter.grad = slope if parameter.grad is None else parameter.grad + slope
        return torch.zeros_like(values).double() if slopes is None else slopes.double().cpu()

    @contextmanager
    def _own_random_numbers(self, statistic: Statistic) -> Iterator[None]:
        """PyTorch's generator goes on from where the balancer's own stands, and is put back."""
        before = torch.get_rng_state()
        torch.set_rng_state(self._stream.state_dict()["generator"])
        try:
            with _seeded_cuda(statistic.jacobian().device if self.of == "jacobian" else torch.device("cpu")):
                yield
        finally:
            self._stream.load_state_dict({"generator": torch.get_rng_state()})
            torch.set_rng_state(before)


@contextmanager
def _seeded_cuda(device: torch.device) -> Iterator[None]:
    """A graphics card's generator is seeded from the processor's, and put back."""
    if device.type != "cuda":
        yield
        return
    seed = int(torch.randint(2**53, ()))
    with torch.random.fork_rng(devices=[device]):
        torch.cuda.manual_seed(seed)
        yield


def _find_weighting(wrapped: object) -> tuple[nn.Module | None, StatisticKind]:
    """The part of an object that gives weights, if it has one, and what that looks at."""
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
    remedy = "Pass an aggregator, a weighting or a scalarizer, made: TorchJD(Krum(n_byzantine=1))"
    raise ConfigError("this is no object of TorchJD that combines tasks", where="torchjd", found=type(wrapped).__name__, remedy=remedy)


def _statistic_kind_of(weighting: nn.Module) -> StatisticKind:
    """What a weighting looks at; of one that wraps another, what that one looks at."""
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
