"""`Backward`, which computes `.grad` from several losses and a balancer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.distributed import ProcessGroup

from polytask.balancing import Balancer, CrossGramian, Lookahead, Needs, Nothing
from polytask.balancing.factory import balancer_for_tasks
from polytask.errors import ConfigError
from polytask.gradients.backward_step import ChooseStrategy, Step
from polytask.gradients.call_checks import (
    PATIENCE,
    check_call,
    check_construction,
    explained,
    forgotten_after_step,
    kind_of,
    losses_with_graphs,
    penalty_of,
    reading_state,
    tell_of_missing_tasks,
    tell_of_repeated_call,
)
from polytask.gradients.lookahead_evaluator import Closure, PostStepLosses, ReplayableBatch, united_losses
from polytask.gradients.loss_accumulator import Counts, Losses, agree_on_counts
from polytask.gradients.primitives.communicator import communicator_of
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.reachability import Shared, named_shared
from polytask.gradients.primitives.scoped_state import NO_AUTOCAST, autocast_as
from polytask.gradients.step_context import StepContext
from polytask.gradients.step_policy import NonFinite, Outside, StepPolicy, Unsolved
from polytask.gradients.step_report import Report
from polytask.gradients.strategies.penalty import take_unlabeled
from polytask.gradients.strategy_choice import ROUTES, Route, choose_strategy, closure_needed, compare_batches, explain_route
from polytask.registry.suggestion import check_choice

Features = Tensor | Sequence[Tensor] | None
Penalty = Callable[[], Tensor | None]


class Backward:
    """Compute `.grad` from several losses with a balancer.

    It replaces `loss.backward()`: gradients are added to `.grad` as in PyTorch. Clipping, the optimizer and the schedule stay
    ordinary PyTorch.

    A step may be passed in micro-batches. Then `counts` gives the labeled units of the whole step per task: a task's loss is the sum over
    its micro-batches divided by that count, and the balancer is called once, after the last unit.

    A task that is absent (not in `losses`, or with a loss that has no graph) does not take part in the step: its private parameters get
    no gradient, and the balancer's state for it does not change.

    Several processes (`group`) act as one process on the union of their batches: losses are `Loss`es with counts, models are not wrapped,
    and every process ends a step with the same `.grad`. A penalty is averaged over the processes.

    Args:
        balancer: Balancer that combines the tasks' losses: a name with its options, an import path, a class, or an object. Methods
            that take weights or names of the tasks, such as `fixed`, get a weight of 1 for each unless their options say otherwise.
        tasks: Names of all tasks, in the order in which the balancer sees those that are present.
        shared: Parameters that more than one task reaches: a module, or named or unnamed tensors. `None` finds them in the
            graphs of the first step, which must then have all tasks. Only balancers that need gradients use them.
        model: The whole network. Required with several processes, and for balancers that evaluate losses again if the network has
            buffers, such as running means, which are restored after every evaluation.
        scaler: Loss scaler of fp16 training. Balancers see unscaled losses and gradients, and no steps that are not finite.
        group: Process group whose processes hold parts of the batch; `None` for a single process.
        weight_heads: Whether private parameters get w_t g_t (True) or g_t (False); `None` follows the method's paper.
        route: How the Jacobian is computed: by one backward pass per task (`sequential`), by one batched backward pass from the
            representations (`batched`), or not at all, with the representations' Gramian in place of the parameters'
            (`representation`, approximate). The default is `sequential`: no measurement on a CPU has found it slower.
        non_finite: What to do about a task whose loss or gradient is not finite: `raise` NonFiniteError, `drop` the task (or the
            penalty) from the step, which is then the step without it, or `skip` the step for all tasks. In each case neither `.grad` nor
            the balancer's state has changed before. Where one backward pass computes the gradients of all tasks together and frees the
            graph, `drop` skips the step; `retain_graph=True` lets it find the task. With a scaler, the scaler decides: it skips the step.
        non_finite_limit: Largest number of steps in a row with such values; after more of them, NonFiniteError is raised all the same.
        unsolved: What to do in a step in which the balancer's condition has no solution: `skip` gives the shared parameters no gradient
            (an optimizer leaves them alone), `sum` takes the plain sum, `last` the weights of the last step with a solution.
        outside: What parameters get that several tasks reach although they are not in `shared`, with a balancer that uses gradients:
            `refuse` raises an error at the first step, `weighted` takes Σ w_t g_t with weights from the shared ones (for weights from a
            part of the network, such as its last shared layer), `sum` takes the plain sum.

    Attributes:
        step: Number of complete steps.
        non_finite_steps: Number of steps in which a value was not finite.
        unsolved_steps: Number of steps in which the balancer's condition had no solution.
        late: Tasks that may be absent from the first steps; a warning names others that are.

    Raises:
        ConfigError: `tasks` is no sequence of distinct names, another argument is not of the type above, a choice is unknown, the limit is
            below 1, or `group` is given without `shared` and `model`.

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
        non_finite_limit: int = 10,
        unsolved: Unsolved = "skip",
        outside: Outside = "refuse",
    ) -> None:
        check_construction(tasks, shared, model, scaler, group)
        check_choice(route, ROUTES, "route")
        self._policy = StepPolicy(weight_heads, non_finite, unsolved, non_finite_limit, outside)
        self.balancer = balancer_for_tasks(balancer, tasks)
        self.tasks, self.model, self.route, self.group, self.scaler = tuple(tasks), model, route, group, scaler
        self.step = self.non_finite_steps = self.unsolved_steps = self._in_a_row = 0
        if model is not None:
            self.balancer.bind(model)
        self._context = self._context_of(shared)
        self._current: Step | None = None
        self._watched: Tensor | None = None
        self._versions: tuple[int, ...] = ()
        self.late, self._told = frozenset[str](), False
        self._replayable: list[ReplayableBatch] = []
        self._post_step: PostStepLosses | None = None

    def __repr__(self) -> str:
        return f"Backward({self.balancer!r}, tasks={self.tasks!r})"

    def _context_of(self, shared: Shared | None) -> StepContext:
        # A single process may unfreeze parameters later; several processes must agree on those that they exchange.
        several = self.group is not None
        known: Iterable[Tensor] = () if self.model is None else self.model.parameters()
        trained = {id(parameter): parameter for parameter in known if parameter.requires_grad or not several}
        flat_params = None if shared is None else FlatParameters(named_shared(shared, self.model))
        return StepContext(self.tasks, communicator_of(self.group), trained, self.scaler, flat_params, batched=self.route == "batched")

    def share(self, shared: Shared) -> None:
        """Declare other parameters as shared from the next step on, for example after unfreezing some; the balancer keeps its state.

        Args:
            shared: Parameters that more than one task reaches: a module, or named or unnamed tensors.

        Raises:
            ConfigError: A step is not complete, or the balancer stores gradients of the previous shared parameters.
        """
        if self._current is not None and not self._current.complete:
            raise ConfigError("the current step must be complete", where="share", remedy="Finish its micro-batches first")
        if self.balancer.remembers_gradients:
            raise ConfigError("the balancer stores gradients of other parameters", where="share", found=type(self.balancer).__name__)
        self._context, self._current = self._context_of(shared), None

    def join(self, group: ProcessGroup) -> None:
        """Take all further steps together with other processes, in loops that know them only when training starts.

        Args:
            group: Process group whose processes hold parts of the batch, and the same state of the balancer.

        Raises:
            ConfigError: A step is not complete, or the shared parameters or the model are not known.
        """
        if self._current is not None:
            raise ConfigError("the current step must be complete", where="join", remedy="Finish its micro-batches first")
        known = self._context.shared
        check_construction(self.tasks, None if known is None else known.parameters, self.model, self.scaler, group)
        last_weights, self.group = self._context.last_weights, group
        self._context = self._context_of({} if known is None else dict(zip(known.names, known.parameters, strict=True)))
        self._context.last_weights = last_weights

    def __call__(
        self,
        losses: Losses | Closure,
        batches: Sequence[Any] = (),
        *,
        features: Features = None,
        penalty: Tensor | Penalty | None = None,
        counts: Counts | None = None,
        retain_graph: bool = False,
    ) -> Report:
        """Add the gradients of a batch to `.grad`.

        Args:
            losses: Scalar mean loss, or `Loss` with sum and count, per task present; or a function that returns them for one of
                `batches`, for balancers that evaluate losses more than once.
            batches: Arguments of that function, as many as the balancer takes.
            features: Representations, the inputs of the heads: one tensor, or several (experts, sources).
            penalty: Scalar that is not a task's loss, such as a penalty on weights: its gradient is added without the balancer. Or a
                function that returns it, called after the losses are known, for penalties that the forward pass computes.
            counts: Number of labeled units per task of the whole step in this process; required if this is one of several
                micro-batches. A process without labeled units in a step calls this once, without losses, since the others
                wait for it.
            retain_graph: Whether to keep the graphs for further backward passes, as in PyTorch.

        Returns:
            Report of the losses, weights and gradients.

        Raises:
            ConfigError: `losses`, `batches`, `features`, `penalty` or `retain_graph` is not of the type above, a task is unknown, a loss is
                no scalar tensor or has no graph, or no count in a micro-batch, there are more units than announced, shared parameters are
                wrong, `after_step` was forgotten, or the balancer needs what is not given.
            NonFiniteError: A task's loss or gradient is not finite, and `non_finite` is `raise`.
        """
        if self._post_step is not None:
            raise forgotten_after_step()
        plain = isinstance(losses, Mapping) and features is None and retain_graph is False and isinstance(batches, tuple) and not batches
        given = () if plain else check_call(losses, batches, features, retain_graph=retain_graph)
        needs = self.balancer.needs()
        if counts is None and self._versions and not isinstance(needs, Nothing) and not self._has_moved():
            tell_of_repeated_call()
            self._told = True
        if not isinstance(losses, Mapping):
            return self._replay(needs, losses, batches, penalty, counts, retain_graph=retain_graph)
        if self.balancer.uses_after_step or self.balancer.batches > 1:
            raise closure_needed()
        alone = counts is None and not self._context.communicator.distributed
        if alone and not all(loss.requires_grad for loss in losses.values() if isinstance(loss, Tensor)):
            losses = losses_with_graphs(losses, self.model)
        choose = self._route(needs, tuple(feature for feature in given if feature.requires_grad))  # a frozen trunk's have none
        return self._take(losses, choose, penalty if penalty is None else penalty_of(penalty), counts, retain_graph=retain_graph)

    @property
    def asks_again(self) -> bool:
        """Whether the balancer evaluates losses more than once, so that they must be given as a function."""
        balancer = self.balancer
        return balancer.uses_after_step or balancer.batches > 1 or isinstance(balancer.needs(), CrossGramian | Lookahead)

    @property
    def sent(self) -> int:
        """Number of bytes that this process has sent to others since it started."""
        return self._context.communicator.bytes_sent

    def after_step(self) -> None:
        """Update balancers that evaluate the losses again after the update; to be called after `optimizer.step()`."""
        kept, self._post_step = self._post_step, None
        if kept is not None:
            self.balancer.after_step(kept.names, kept.before, kept.after(self._context))

    def explain(self) -> str:
        """Return a text of a few lines: how the statistic is computed, what that costs, and which parameters are shared."""
        return explain_route(self.balancer, self._context, self.route, self.model)

    def state_dict(self) -> dict[str, Any]:
        """Return the counters and the state of the balancer, as tensors and numbers that `torch.save` accepts."""
        counts = {"step": self.step, "non_finite": [self.non_finite_steps, self._in_a_row], "unsolved": self.unsolved_steps}
        whose = {"tasks": list(self.tasks), "type": kind_of(self.balancer), "balancer": self.balancer.state_dict()}
        return {**counts, "last_weights": dict(self._context.last_weights), **whose}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `state_dict` returned.

        Raises:
            ConfigError: `state` is no mapping of that form, or of another balancer or other tasks (not of some of them, or of more).
        """
        with reading_state(state, self.balancer, self.tasks):
            step, unsolved = int(state["step"]), int(state.get("unsolved", 0))
            non_finite, in_a_row = (int(count) for count in state.get("non_finite", (0, 0)))
            weights = {str(task): float(weight) for task, weight in dict(state.get("last_weights", {})).items()}
            self.balancer.load_state_dict(state["balancer"])
            self.step, self.unsolved_steps, self.non_finite_steps, self._in_a_row = step, unsolved, non_finite, in_a_row
            self._context.last_weights = weights

    def _route(self, needs: Needs, features: tuple[Tensor, ...] = ()) -> ChooseStrategy:
        context, route = self._context, self.route
        return lambda accumulator, whole: choose_strategy(needs, context, accumulator, features=features, route=route, whole=whole)

    def _take(self, losses: Losses, choose: ChooseStrategy, penalty: Tensor | None, counts: Counts | None, *, retain_graph: bool) -> Report:
        """Pass losses to the current step, or to a new one."""
        if self._current is None and not losses and any((counts or {}).values()):
            return take_unlabeled(self._context, penalty, self.step)
        # Autocasting is for forward passes; computations on gradients keep their own precision.
        with autocast_as(NO_AUTOCAST):
            current = self._current or Step(self._context, self.balancer, self.step, self._policy)
            self._current = None  # discard a step that raises
            try:
                report = current.take(losses, choose, penalty, counts, retain_graph=retain_graph)
            except RuntimeError as error:
                raise explained(error) from error
        if current.complete:
            if not self._told:
                watched = self._watched = next((p for p in self._context.trained.values() if p.grad is not None), None)
                if watched is not None and watched.grad is not None:
                    self._versions = (watched._version, id(watched.grad), watched.grad._version)
            self.step += 1
            self.unsolved_steps += not report.solved
            self.non_finite_steps += report.bad is not None
            self._in_a_row = 0 if report.bad is None else self._in_a_row + 1
            if report.bad is not None and self._in_a_row > self._policy.limit and self._context.scaler is None:
                raise report.bad.error(self.step - 1)
            if self.step == PATIENCE:
                tell_of_missing_tasks(self.tasks, self._context.met | self.late)
        self._current = None if current.complete else current
        if current.complete and self._replayable:
            if report.losses and not report.skipped:
                self._post_step = PostStepLosses(self._replayable, current.seen.whole, report)
            self._replayable = []
        return report

    def _has_moved(self) -> bool:
        """Return whether the watched parameter has moved, or its gradient was cleared, since the last step."""
        watched = self._watched
        return watched is None or watched.grad is None or (watched._version, id(watched.grad), watched.grad._version) != self._versions

    def _replay(
        self,
        needs: Needs,
        closure: Closure,
        batches: Sequence[Any],
        penalty: Tensor | Penalty | None,
        counts: Counts | None,
        *,
        retain_graph: bool,
    ) -> Report:
        """Take a step, or a micro-batch, whose losses are given as a function."""
        balancer = self.balancer
        if len(batches) != balancer.batches:
            found = f"{len(batches)} of {balancer.batches}"
            raise ConfigError("the number of batches must be that of the balancer", where="batches", found=found)
        several = isinstance(needs, CrossGramian | Lookahead)
        if several and counts is not None:
            raise ConfigError("this balancer does not support micro-batches", where="counts", remedy="Pass the step in one batch")
        if self._current is None:
            self._replayable = []  # discard those of a step that raised
        replayable = [ReplayableBatch(closure, batch, self.model, alone=counts is None and self.group is None) for batch in batches]
        given = penalty if penalty is None else penalty_of(penalty)
        if several:
            return self._compare(replayable, given)
        self._replayable += replayable if balancer.uses_after_step else []
        return self._take(replayable[0].losses, self._route(needs), given, counts, retain_graph=retain_graph)

    def _compare(self, replayable: Sequence[ReplayableBatch], penalty: Tensor | None) -> Report:
        """Take a step with several batches, or with losses at other values of the parameters."""
        tasks, communicator = self.tasks, self._context.communicator
        agreed = [agree_on_counts(tasks, batch.losses, None, communicator).counts for batch in replayable]
        counts: list[Counts | None] = [count if communicator.distributed else None for count in agreed]
        losses = united_losses(replayable, counts, self.balancer.step_batches)
        choose = compare_batches(self._context, replayable, counts, self.model)
        return self._take(losses, choose, penalty, None, retain_graph=False)
