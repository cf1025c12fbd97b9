"""Train one network: the public entry point."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from polytask.architectures import Architecture, Network
from polytask.balancing import Balancer
from polytask.balancing.choose_default import DEFAULT_BALANCER
from polytask.balancing.factory import balancer_named
from polytask.data import ProportionalSampler, Source, check_sources
from polytask.data.sampling.merge_small_batches import with_minimum_rows
from polytask.devices import CPU, resolve_device, stored_name
from polytask.encoders.initial_weights import LoadedWeights, freeze, load_weights
from polytask.errors import ConfigError
from polytask.gradients import Backward
from polytask.loggers import Logger
from polytask.options import TrainingOptions, make_training_options
from polytask.seeds import derive_seed
from polytask.storage import load_checkpoint
from polytask.tasks import Task
from polytask.training.callback import Callback, make_callbacks
from polytask.training.fit_result import FitResult
from polytask.training.hardware import Precision, choose_precision, choose_thread_count, torch_threads
from polytask.training.inference import compute_losses, compute_task_metrics, predict_outcomes
from polytask.training.live_progress import shown_progress
from polytask.training.log_training import LogTraining, logging_callbacks
from polytask.training.loop.averaged_weights import AveragedWeights
from polytask.training.loop.early_stopping import EarlyStopping
from polytask.training.loop.run_signature import RunSignature, check_signature, restore_measured_options
from polytask.training.loop.training_loop import TrainingLoop
from polytask.training.loop.training_progress import ProgressHook, ignore_progress
from polytask.training.loop.training_state import HistoryRow, TrainingState
from polytask.training.optimization.layer_conflicts import split_conflicting_layers
from polytask.training.optimization.optimizers import make_optimizer, make_scaler, make_scheduler
from polytask.training.optimization.param_groups import make_param_groups, unfreeze_due
from polytask.training.preparation.adapt_to_inputs import adapt_to_inputs
from polytask.training.preparation.batch import Batch
from polytask.training.preparation.compiled_encoders import compiled_encoders
from polytask.training.preparation.default_model import make_network
from polytask.training.preparation.fit_checks import check_balancer, check_fit_arguments, check_tells_features, checkpoint_folder
from polytask.training.preparation.label_share import LabelShare
from polytask.training.preparation.prepared_data import PreparedData, prepare_data
from polytask.training.preparation.resident_data import resident_data
from polytask.training.preparation.training_sampler import check_rows, make_training_sampler, minimum_rows


def make_balancer(
    balancer: str | type[Balancer] | Balancer, tasks: Sequence[Task], seed: int, options: Mapping[str, Any] | None = None
) -> Balancer:
    """Create a seeded balancer from what users give, such as `cagrad(c=0.4)`.

    Args:
        balancer: Registry name with options, import path, class or object.
        tasks: Tasks to balance; `fixed` uses their weights unless its options give others.
        seed: Seed from which the seed of the balancer is derived.
        options: Arguments of the balancer by name; by default those in its name.

    Raises:
        ConfigError: The name or an option is unknown.
    """
    chosen = balancer_named(balancer, options, {task.name: task.weight for task in tasks})
    chosen.seed(derive_seed(seed, "balancer"))
    return chosen


def fit(
    model: nn.Module | Sequence[Task],
    sources: Sequence[Source],
    balancer: str | type[Balancer] | Balancer = DEFAULT_BALANCER,
    *,
    tasks: Sequence[Task] | None = None,
    encoder: str | Callable[..., nn.Module] | nn.Module | None = None,
    architecture: str | type[Architecture] | Architecture | None = None,
    seed: int = 0,
    batch_sizes: Mapping[str, int] | None = None,
    checkpoint: str | Path | None = None,
    progress: ProgressHook | None = None,
    stop_after_epoch: int | None = None,
    callbacks: Sequence[str | type[Callback] | Callback] = (),
    logger: str | type[Logger] | Logger | LogTraining | None = None,
    options: TrainingOptions | None = None,
    **choices: Any,  # noqa: ANN401 - fields of TrainingOptions
) -> FitResult:
    """Train a network on its tasks until it has converged or used its budget.

    The best epoch is chosen on a validation part of the sources, unless the number of epochs is fixed (`keep="last"`). Test data are not
    involved. What is validated, chosen and returned is the moving average of the weights over some epochs (`averaging`).

    Args:
        model: Network to train, in place; or tasks, for which a network is created. Any PyTorch module whose `forward` maps inputs of a
            source to a dict of outputs by task is a network if `tasks` are given (`polytask.architectures.ModuleNetwork`).
        sources: Training sources.
        balancer: Method that turns the tasks' losses into one update: a registry name, an import path, a class, or an object.
        tasks: Tasks of a module that does not know them.
        encoder: Encoder of a network that is created here: a name, a class, a function that makes a module, an encoder, whose constructor
            call is repeated for the new network, or any module; by default the usual one for the inputs.
        architecture: Architecture of a network that is created here: a name, a class or an object; by default hard sharing.
        seed: Root seed of the split, shuffling, dropout and the balancer, and of the initialization of a network that is created here.
        batch_sizes: Rows per source and step for proportional sampling; by default `batch_size`, in proportion to the sources.
        checkpoint: Folder to which the state is saved and from which an interrupted run continues; `None` saves nothing.
        progress: Function that is called with the progress a few times per second. By default it is shown in a terminal and in a
            notebook; `polytask.training.ignore_progress` shows nothing.
        stop_after_epoch: Epoch, from 1, after which to pause. The result so far is returned, and the same call with the checkpoint
            continues as if there had been no pause. `None` does not pause.
        callbacks: Callbacks, called before every step and after every epoch: names, classes or objects
            (`polytask.training.callback.Callback`).
        logger: Where the values of every epoch are recorded: a name such as `tensorboard(folder=logs)`, a class or an object
            (`polytask.loggers.Logger`), or a `LogTraining` with the name of the run.
        options: Training options; by default the defaults of `TrainingOptions`.
        **choices: Fields of `TrainingOptions` by name; they take precedence over `options`.

    Returns:
        The trained network, with the history and metrics of its training.

    Raises:
        ConfigError: `model` is neither a network nor a sequence of tasks, `sources` no sequence of `Source` objects, another argument is
            not of the type above, a name or option is unknown, or the checkpoint belongs to another run.
        DataError: A task has no labels in the training or validation part.
        NonFiniteError: A loss, a gradient or a validation metric is not finite.

    Example:
        >>> import numpy as np
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Regression
        >>> x = np.linspace(-1, 1, 200, dtype="float32").reshape(-1, 1)
        >>> source = Source("line", x, {"double": 2 * x[:, 0], "square": x[:, 0] ** 2})
        >>> tasks = (Regression(name="double"), Regression(name="square"))
        >>> from polytask.architectures import MultiTaskModel
        >>> model = MultiTaskModel(MLP((1,), hidden=(32,)), tasks, initialization="framework")
        >>> run = fit(model, [source], epochs=30, batch_size=16, lr=0.01, patience=None)
        >>> run.validation["double"]["r2"] > 0.9
        True
        >>> fit(tasks, [source], "cagrad(c=0.3)", architecture="mmoe(experts=2)", epochs=1).epochs
        1
    """
    check_fit_arguments(seed, progress, stop_after_epoch, options)
    sources = check_sources(sources)
    parts = {"encoder": encoder, "architecture": architecture}
    network = make_network(model, sources, tasks, seed, {name: part for name, part in parts.items() if part is not None})
    loop, matched = build_loop(
        network,
        sources,
        balancer,
        seed=seed,
        batch_sizes=batch_sizes,
        checkpoint=checkpoint_folder(checkpoint),
        callbacks=callbacks,
        options=options,
        **choices,
    )
    loop.state.callbacks = {**loop.state.callbacks, **logging_callbacks(logger)}
    with torch_threads(loop.options.threads):
        with shown_progress(progress) as loop.progress, compiled_encoders(network, loop.options.compile):
            loop.run(stop_after_epoch)
        outcomes = predict_outcomes(network, loop.data.tasks, loop.data.validation, loop.precision)
    network.to(CPU)
    return _make_fit_result(loop, compute_task_metrics(loop.data.tasks, outcomes), matched)


def build_loop(
    model: Network,
    sources: Sequence[Source],
    balancer: str | type[Balancer] | Balancer = DEFAULT_BALANCER,
    *,
    seed: int = 0,
    batch_sizes: Mapping[str, int] | None = None,
    checkpoint: Path | None = None,
    progress: ProgressHook = ignore_progress,
    callbacks: Sequence[str | type[Callback] | Callback] = (),
    options: TrainingOptions | None = None,
    **choices: Any,  # noqa: ANN401 - fields of TrainingOptions
) -> tuple[TrainingLoop, LoadedWeights | None]:
    """Do everything that `fit` does before the first step; for the arguments see `fit`.

    Returns:
        The training loop, and the parameters that the weights file and the network have in common (None without a file).
    """
    chosen = _chosen_options(options, choices)
    found = None if checkpoint is None else load_checkpoint(checkpoint)
    known: Mapping[str, Any] = {} if found is None else found.get("identity", {})
    chosen = chosen if found is None else restore_measured_options(chosen, known)
    data = prepare_data(sources, model.tasks, validation_fraction=chosen.validation_fraction, seed=seed, label_share=LabelShare.of(chosen))
    model.tasks = data.tasks
    matched = None if chosen.initial_weights is None else load_weights(model, chosen.initial_weights)
    model.labeled = {name: source.rows.tasks for name, source in data.training.items()}
    adapt_to_inputs(model, data)
    freeze(model, chosen.freeze)
    precision = choose_precision(model, chosen.precision, resolve_device(chosen.device))
    precision.format_model(model)
    data, sampler = resident_data(data, precision.device), make_training_sampler(data, batch_sizes, chosen)
    made = make_balancer(balancer, data.tasks, seed)
    min_rows = check_rows(sampler, data, minimum_rows(model, made), seed)
    chosen = resolve_hardware_options(chosen, model, data, precision, batch_sizes, workers=1)

    def trial_loop(network: Network) -> TrainingLoop:
        """Return a loop for a copy of the network with a copy of the balancer, so that the originals are unchanged."""
        trial = make_balancer(copy.deepcopy(balancer), data.tasks, seed)
        return TrainingLoop(initial_state(network, trial, chosen), data, sampler, chosen, precision, seed, min_rows=min_rows)

    with torch_threads(chosen.threads):
        split = split_conflicting_layers(model, known, trial_loop)
    model.separate_buffers(model.labeled)
    unfreeze_due(model, chosen.unfreeze, 1 + int(0 if found is None else found["counters"]["epoch"]))
    state = initial_state(model, made, chosen)
    state.callbacks = make_callbacks(callbacks, [task.name for task in data.tasks])
    check_balancer(state.backward.balancer, chosen)
    if checkpoint is not None:
        used = [source for source in sources if source.name in data.training]
        sizes = sampler.batch_sizes if isinstance(sampler, ProportionalSampler) else {}
        state.identity = RunSignature(chosen, seed, state.backward.balancer, sizes, data.tasks, used).to_dict()
        seen = {name: dict(callback.identity()) for name, callback in state.callbacks.items()}
        state.identity |= ({} if split is None else {"split": split}) | ({"callbacks": seen} if seen else {})
        _load_checkpoint(state, found, checkpoint)
    return TrainingLoop(state, data, sampler, chosen, precision, seed, checkpoint, progress, min_rows=min_rows), matched


def _chosen_options(options: TrainingOptions | None, choices: Mapping[str, Any]) -> TrainingOptions:
    """Return the options with the choices that are given beside them."""
    made = make_training_options(**choices)
    return made if options is None else options.with_changes(made.model_dump(include=set(choices)))


def resolve_hardware_options(
    options: TrainingOptions,
    model: Network,
    data: PreparedData,
    precision: Precision,
    batch_sizes: Mapping[str, int] | None,
    *,
    workers: int,
) -> TrainingOptions:
    """Return the options with the chosen device and precision, and with a number of threads, which is measured if none is given.

    Args:
        options: Options as the user has given them.
        model: Network, of which a copy is timed.
        data: Prepared data, whose batches are used for timing.
        precision: Chosen precision.
        batch_sizes: Rows per source and step; `None` follows the options.
        workers: Number of processes that will train at the same time.
    """
    count = options.threads if precision.device == CPU else options.threads or 1  # an accelerator does the work
    if count is None:
        steps = make_training_sampler(data, batch_sizes, options).epoch(0, seed=0)
        rows = next(with_minimum_rows(steps, minimum_rows(model)), {})
        batches = [data.training[source].rows.take(chosen) for source, chosen in rows.items()]
        with torch.random.fork_rng(devices=()):  # dropout advances the random generator
            count = choose_thread_count(_step_to_time(copy.deepcopy(model), data, batches, precision), workers=workers)
    return options.with_changes({"device": stored_name(precision.device, options.device), "precision": precision.name, "threads": count})


def _step_to_time(model: Network, data: PreparedData, batches: Sequence[Batch], precision: Precision) -> Callable[[], None]:
    tasks = {task.name: task for task in data.tasks}

    def step() -> None:
        for batch in batches:
            total = sum((loss.mean for loss in compute_losses(model, tasks, batch, precision).values()), start=torch.zeros(()))
            if total.requires_grad:  # False without a label, or if all parameters involved are frozen
                total.backward()  # type: ignore[no-untyped-call]

    return step


def initial_state(model: Network, balancer: Balancer, options: TrainingOptions) -> TrainingState:
    """Return the state of a run before the first step: the network, the optimizer, the scheduler, the balancer and the stopping rule.

    Raises:
        ConfigError: The optimizer or scheduler is unknown or does not accept its options, all parameters are frozen, or the balancer
            works on the inputs of heads that the network does not tell.
    """
    optimizer = make_optimizer(make_param_groups(model, options), options)
    check_tells_features(model, balancer, options)
    names = [task.name for task in model.tasks]
    policies = {**options.model_dump(include={"non_finite_limit", "unsolved"}), "scaler": make_scaler(options)}
    policies["non_finite"] = "raise" if options.non_finite == "end" else options.non_finite
    return TrainingState(
        model=model,
        optimizer=optimizer,
        schedule=make_scheduler(optimizer, options),
        backward=Backward(balancer, tasks=names, shared=model.shared_parameters(), model=model, route=options.gradient_route, **policies),
        stopping=EarlyStopping(names, options.monitor, options.patience, options.min_delta, options.patience_share),
        scaler=policies["scaler"],
        averages=None if options.averaging is None else AveragedWeights(model, options.averaging),
    )


def _load_checkpoint(state: TrainingState, found: Mapping[str, Any] | None, checkpoint: Path) -> None:
    """Load the contents of a checkpoint, if there is one, into the state.

    Raises:
        ConfigError: The checkpoint belongs to another run.
    """
    if found is None:
        return
    check_signature(state.identity, found.get("identity", {}), checkpoint)
    try:
        state.load_state_dict(found)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        text = str(error).splitlines()[-1].strip()
        remedy = "Use another folder, or the options and data that the run was started with"
        raise ConfigError("the state belongs to another run", where=str(checkpoint), found=text, remedy=remedy) from None


def _make_fit_result(loop: TrainingLoop, validation: Mapping[str, Mapping[str, float]], matched: LoadedWeights | None) -> FitResult:
    state = loop.state
    return FitResult(
        model=state.model,
        tasks=loop.data.tasks,
        normalizations={name: source.rows.normalization for name, source in loop.data.training.items()},
        precision=replace(loop.precision, device=CPU),
        options=loop.options,
        validation=validation,
        relative_score=state.score,
        history=pd.DataFrame(state.history, columns=list(HistoryRow._fields)),
        epochs=state.epoch,
        best_epoch=state.best_epoch,
        steps=state.step,
        rows=state.rows,
        seconds=state.seconds,
        peak_memory=state.peak_memory,
        timeline=tuple(state.timeline),
        finished=state.finished,
        diverged=state.diverged,
        loaded_weights=matched,
        preprocessors={name: source.preprocessor for name, source in loop.data.training.items() if source.preprocessor is not None},
        callback_results={name: callback.results() for name, callback in state.callbacks.items()},
        unsolved_steps=state.backward.unsolved_steps,
        non_finite_steps=state.backward.non_finite_steps,
        frozen=dict(state.frozen),
    )
