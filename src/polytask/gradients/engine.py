"""`Backward`: what stands between losses and `.grad`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.distributed import ProcessGroup

from polytask.balancing import Balancer, CrossGramian, Lookahead, Needs
from polytask.balancing.factory import balancer_named
from polytask.errors import ConfigError
from polytask.gradients.context import StepContext
from polytask.gradients.post_step_losses import Closure, LookaheadEvaluator, PostStepLosses, ReplayableBatch, mean_losses, united_losses
from polytask.gradients.primitives.communicator import communicator_of
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.primitives.reachability import Shared, named_shared, reached
from polytask.gradients.primitives.scoped_state import NO_AUTOCAST, autocast_as
from polytask.gradients.routing import ROUTES, Route, choose_strategy, closure_needed, explain_route
from polytask.gradients.step import ChooseStrategy, NonFinite, Step, StepPolicy, add_penalty
from polytask.gradients.step_losses import Counts, Losses, agree_on_counts
from polytask.gradients.step_report import Report
from polytask.gradients.strategies.multi_batch import MultiBatch
from polytask.tasks import Loss

Features = Tensor | Sequence[Tensor] | None
Penalty = Callable[[], Tensor | None]


class Backward:
    """Fill `.grad` from several losses, as a balancer says.

    It stands where `loss.backward()` stood: losses in, `.grad` out, and gradients add up as PyTorch's do. Clipping, the
    optimizer and the schedule stay ordinary PyTorch.

    A step may come in micro-batches. Then `counts` says how many labeled units the whole step has per task: a task's
    loss is the sum over its micro-batches divided by that count, and the balancer is asked once, when all units have been
    seen. (The mean of the micro-batches' means is wrong as soon as their counts differ.)

    A task that is absent (not in `losses`) has no part in the step: its private parameters get no gradient, and the
    balancer leaves what it remembers of it untouched.

    Several processes (`group`) act as one process on the union of their batches: losses are `Loss`es with counts, models
    are not wrapped, and every process ends a step with the same `.grad`. What they tell each other, and what it costs, is
    in `polytask.gradients.primitives.communicator`. A penalty is averaged over the processes.

    Args:
        balancer: How the tasks' losses become one update: a name with its options, an import path, a class, or an object.
        tasks: All tasks, in the order in which the balancer sees those that are present.
        shared: The parameters that more than one task reaches: a module, named or unnamed tensors. By default they are
            read off the graphs of the first step, which must then have all tasks. Only balancers that look at gradients use them.
        model: The whole network. Needed with several processes, and by balancers that look at losses again if it has
            buffers, such as running means, which are put back after every look.
        scaler: The loss scaler of fp16 training. Balancers see unscaled losses and gradients, and nothing of steps that are not finite.
        group: The processes that hold parts of the batch.
        weight_heads: Whether private parameters get w_t g_t or g_t; by default as the method's paper says.
        route: How rows of the Jacobian are obtained: one backward per task (`sequential`), one batched backward from the
            representations on (`batched`), or not at all, the Gramian of the representations standing for theirs
            (`representation`: approximate). By default sequential, which no measurement on a CPU has found slower.
        non_finite: What becomes of a task whose loss or gradient is not finite: `raise` NonFiniteError before `.grad` is
            touched, `drop` the task from the step, or `skip` all tasks. Balancers see none of it. With a scaler, the
            scaler decides: it skips the step.

    Raises:
        ConfigError: No task, or one twice; an unknown route; several processes without `shared` or `model`.

    Example:
        >>> import torch
        >>> from polytask.balancing import Equal
        >>> trunk = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> backward = Backward(Equal(), tasks=("a", "b"))
        >>> backward({"a": (trunk**2).sum(), "b": trunk.sum()}).weights
        {'a': 1.0, 'b': 1.0}
        >>> trunk.grad
        tensor([3., 5.])
    """

    def __init__(
        self,
        balancer: str | type[Balancer] | Balancer,
        *,
        tasks: Sequence[str],
        shared: Shared | None = None,
        model: nn.Module | None = None,
        scaler: GradScaler | None = None,
        group: ProcessGroup | None = None,
        weight_heads: bool | None = None,
        route: Route = "sequential",
        non_finite: NonFinite = "raise",
    ) -> None:
        _check(tasks, route, group, shared, model)
        self.balancer = balancer_named(balancer)
        self.tasks, self.model, self.route = tuple(tasks), model, route
        self.step = 0
        if model is not None:
            self.balancer.bind(model)
        self._group, self._scaler = group, scaler
        self._context = self._context_of(shared)
        self._policy = StepPolicy(weight_heads, non_finite)
        self._current: Step | None = None
        self._replayable: list[ReplayableBatch] = []
        self._post_step: PostStepLosses | None = None

    def __repr__(self) -> str:
        return f"Backward({self.balancer!r}, tasks={self.tasks!r})"

    def _context_of(self, shared: Shared | None) -> StepContext:
        several = self.model is not None and self._group is not None
        trained = {id(p): p for p in self.model.parameters() if p.requires_grad} if several and self.model is not None else {}
        flat_params = None if shared is None else FlatParameters(named_shared(shared))
        return StepContext(self.tasks, communicator_of(self._group), trained, self._scaler, flat_params, batched=self.route == "batched")

    def share(self, shared: Shared) -> None:
        """Declare other parameters as shared from the next step on: some of them were frozen before, say. The balancer keeps its state.

        Raises:
            ConfigError: A step is under way, or the balancer remembers gradients of other parameters.
        """
        if self._current is not None and not self._current.complete:
            raise ConfigError("a step is under way", where="share", remedy="Finish its micro-batches first")
        if self.balancer.remembers_gradients:
            raise ConfigError("this balancer remembers gradients of other parameters", where="share", found=type(self.balancer).__name__)
        self._context, self._current = self._context_of(shared), None

    def __call__(
        self,
        losses: Losses | Closure,
        batches: Sequence[Any] = (),
        *,
        features: Features = None,
        penalty: Tensor | Penalty | None = None,
        counts: Counts | None = None,
    ) -> Report:
        """Add this batch's part to `.grad`.

        Args:
            losses: Per task present its mean loss (), or its `Loss` with sum and count; or a function that gives them for
                one of `batches`, for balancers that look more than once.
            batches: As many as the balancer takes; handed to that function.
            features: What the heads look at: one tensor, or several (experts, sources).
            penalty: () what is no task's loss (a penalty on weights, say): added beside the balancer, not seen by it. Or a
                function that gives it, called after the losses are known: for penalties that a forward leaves behind.
            counts: Labelled units per task of the whole step in this process, when this is one of several micro-batches. A
                process that has none in a step calls this once, with no losses, since the others wait for it.

        Raises:
            ConfigError: An unknown task; a mean without a count in a micro-batch; more units than announced; a balancer
                that needs a function, or representations, and does not get them.
            NonFiniteError: A task's loss or gradient is not finite, and `non_finite` is `raise`.
        """
        self._post_step = None
        needs = self.balancer.needs()
        if not isinstance(losses, Mapping):
            return self._replay(needs, losses, batches, penalty, counts)
        if self.balancer.uses_after_step or self.balancer.batches > 1:
            raise closure_needed()
        given = () if features is None else (features,) if isinstance(features, Tensor) else tuple(features)
        # Representations of a frozen trunk lead to no parameter.
        choose = self._route(needs, tuple(feature for feature in given if feature.requires_grad))
        return self._take(losses, choose, _given(penalty), counts)

    @property
    def asks_again(self) -> bool:
        """Whether the balancer asks for losses more than once, so that a function has to give them."""
        balancer = self.balancer
        return balancer.uses_after_step or balancer.batches > 1 or isinstance(balancer.needs(), CrossGramian | Lookahead)

    @property
    def sent(self) -> int:
        """Bytes that this process has handed to others since it started."""
        return self._context.communicator.bytes_sent

    def after_step(self) -> None:
        """Call it after `optimizer.step()`: the place of methods that look at the losses again."""
        kept, self._post_step = self._post_step, None
        if kept is not None:
            self.balancer.after_step(kept.names, kept.before, kept.after(self._context))

    def explain(self) -> str:
        """Return how the statistic is obtained, what that costs, and which parameters are shared, in a few lines."""
        return explain_route(self.balancer, self._context, self.route)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps, and what the balancer remembers."""
        return {"step": self.step, "balancer": self.balancer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self.step = int(state["step"])
        self.balancer.load_state_dict(state["balancer"])

    def _route(self, needs: Needs, features: tuple[Tensor, ...] = ()) -> ChooseStrategy:
        context, route = self._context, self.route
        return lambda accumulator, whole: choose_strategy(needs, context, accumulator, features=features, route=route, whole=whole)

    def _take(self, losses: Losses, choose: ChooseStrategy, penalty: Tensor | None, counts: Counts | None) -> Report:
        """Give losses to the step under way, or to a new one."""
        if self._current is None and not losses and any((counts or {}).values()):
            return self._take_unlabeled(penalty)
        # Mixed precision is for forwards: what is computed from gradients keeps its own precision.
        with autocast_as(NO_AUTOCAST):
            current = self._current or Step(self._context, self.balancer, self.step, self._policy)
            self._current = None  # a step that raises is forgotten
            report = current.take(losses, choose, penalty, counts)
        if current.complete:
            self.step += 1
        self._current = None if current.complete else current
        if current.complete and self._replayable:
            if report.losses and not report.skipped:
                self._post_step = PostStepLosses(self._replayable, current.seen.whole, report)
            self._replayable = []
        return report

    def _take_unlabeled(self, penalty: Tensor | None) -> Report:
        """Take a micro-batch without any label, before the step's first or after its last one."""
        communicator = self._context.communicator
        if penalty is not None and communicator.distributed:
            remedy = "Pass it with a micro-batch that has labels"
            raise ConfigError("a penalty beside no label belongs to no step of several processes", where="penalty", remedy=remedy)
        add_penalty(self._context, GradAccumulator(communicator), penalty)
        return Report({})

    def _replay(
        self, needs: Needs, closure: Closure, batches: Sequence[Any], penalty: Tensor | Penalty | None, counts: Counts | None
    ) -> Report:
        """Take a step, or a micro-batch of one, whose losses come from a function."""
        balancer = self.balancer
        if len(batches) != balancer.batches:
            found = f"{len(batches)} of {balancer.batches}"
            raise ConfigError("the balancer takes another number of batches", where="batches", found=found)
        several = isinstance(needs, CrossGramian | Lookahead)
        if several and counts is not None:
            raise ConfigError("this balancer takes a step in one piece", where="counts", remedy="Do not cut it into micro-batches")
        if self._current is None:
            self._replayable = []  # of a step that raised
        replayable = [ReplayableBatch(closure, batch, self.model) for batch in batches]
        given = _given(penalty)
        if several:
            return self._compare(replayable, given)
        self._replayable += replayable if balancer.uses_after_step else []
        return self._take(replayable[0].losses, self._route(needs), given, counts)

    def _compare(self, replayable: Sequence[ReplayableBatch], penalty: Tensor | None) -> Report:
        """Take a step of several batches, or one that looks ahead."""
        tasks, communicator = self.tasks, self._context.communicator
        counts: list[Counts | None] = [None] * len(replayable)
        if communicator.distributed:
            counts = [agree_on_counts(tasks, batch.losses, None, communicator).counts for batch in replayable]
        losses = united_losses(replayable, counts, self.balancer.step_batches)

        def choose(accumulator: GradAccumulator, whole: bool) -> MultiBatch:
            del whole
            parts = [mean_losses(batch.losses, count) for batch, count in zip(replayable, counts, strict=True)]
            named = self.model.named_parameters() if self.model is not None else self._reached(parts)
            trained = {name: parameter for name, parameter in named if parameter.requires_grad}
            lookahead = LookaheadEvaluator(self._context, replayable, parts, counts, trained)
            return MultiBatch(self._context, accumulator, parts, lookahead)

        return self._take(losses, choose, penalty, None)

    def _reached(self, parts: Sequence[Mapping[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """Name the shared parameters and everything else that the losses reach, by their number."""
        leaves = {id(leaf): leaf for part in parts for loss in part.values() for leaf in reached(loss)}
        if self._context.shared is not None:
            leaves = {id(leaf): leaf for leaf in self._context.shared.parameters} | leaves
        return ((str(number), leaf) for number, leaf in enumerate(leaves.values()))


def _given(penalty: Tensor | Penalty | None) -> Tensor | None:
    return penalty if penalty is None or isinstance(penalty, Tensor) else penalty()


def _check(tasks: Sequence[str], route: str, group: ProcessGroup | None, shared: Shared | None, model: nn.Module | None) -> None:
    if not tasks or len(set(tasks)) < len(tasks):
        raise ConfigError("at least one task, each once, is needed", where="tasks", found=tuple(tasks))
    if route not in ROUTES:
        raise ConfigError("unknown route", where="route", found=route, remedy=f"Choose from: {', '.join(ROUTES)}")
    if group is not None and (shared is None or model is None):
        remedy = "Pass shared= and model=, the same in every process"
        raise ConfigError("several processes agree on parameters before they start", where="group", remedy=remedy)


def backward(
    losses: Mapping[str, Tensor | Loss],
    balancer: str | type[Balancer] | Balancer,
    *,
    shared: Shared | None = None,
    features: Features = None,
    penalty: Tensor | None = None,
) -> Report:
    """Fill `.grad` once, as `Backward` does, with a balancer that remembers nothing.

    Args:
        losses: Per task its mean loss (), or its `Loss` with sum and count.
        balancer: How they become one update.
        shared: The shared parameters; by default read off the graphs.
        features: What the heads look at, for balancers that look there.
        penalty: () what is no task's loss.

    Example:
        >>> import torch
        >>> from polytask.balancing import Fixed
        >>> trunk = torch.tensor([1.0], requires_grad=True)
        >>> _ = backward({"a": trunk.sum(), "b": 3 * trunk.sum()}, Fixed({"a": 0.5, "b": 0.5}))
        >>> trunk.grad
        tensor([2.])
    """
    return Backward(balancer, tasks=tuple(losses), shared=shared)(losses, features=features, penalty=penalty)
