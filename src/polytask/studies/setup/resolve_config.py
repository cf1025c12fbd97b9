"""Resolution of a configuration: all defaults, and all choices that are measured on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import polytask
from polytask.architectures import ModulePlan, NetworkPlan
from polytask.architectures.network.multi_task_model import check_kinds
from polytask.architectures.network.plan import Plan
from polytask.data import Source, proportional_batch_sizes
from polytask.datasets import get_dataset
from polytask.devices import CPU, resolve_device
from polytask.encoders.initial_weights import freeze, load_weights
from polytask.errors import ConfigError
from polytask.options import NetworkConfig, StudyConfig, TrainingOptions
from polytask.options.train_config import Config
from polytask.registry.resolve import resolve
from polytask.studies.execution.baseline_fit import check_baseline
from polytask.studies.execution.job_training import JobContext
from polytask.studies.execution.parallel_backends import choose_backend
from polytask.studies.execution.run_jobs import worker_count
from polytask.studies.spec.arms import ResolvedArm
from polytask.tasks import Task
from polytask.training import choose_precision, make_balancer, prepare_data, resolve_hardware_options
from polytask.training.callback import make_callbacks
from polytask.training.fit_model import initial_state
from polytask.training.hardware import available_cores
from polytask.training.optimization.task_control import TaskControl, options_for
from polytask.training.preparation.default_model import input_forms, plan_network
from polytask.training.preparation.label_share import LabelShare
from polytask.training.preparation.prepared_data import default_validation_fraction
from polytask.training.preparation.worker_memory import network_bytes


def resolve_config(requested: Config, sources: Sequence[Source], tasks: Sequence[Task], networks: int) -> Config:
    """Return the configuration with every default and every measured choice filled in.

    Args:
        requested: Configuration from the user.
        sources: Training sources.
        tasks: All tasks.
        networks: Number of networks to train.
    """
    share = (
        default_validation_fraction(sources) if requested.training.validation_fraction is None else requested.training.validation_fraction
    )
    options = requested.training.with_changes({"validation_fraction": share})
    if is_trained_by_function(requested):
        return _resolved_for_function(requested, options, networks)
    plan = network_plan(requested, sources)
    model = plan.build(tasks, seed=0)
    data = prepare_data(sources, tasks, validation_fraction=share, seed=0, label_share=LabelShare.of(options))
    batch_sizes, device = _batch_sizes(sources, options), resolve_device(options.device)
    # A network on an accelerator is measured only where its size decides about the number of workers.
    counts = device != CPU and requested.workers is None and networks > 1
    need = network_bytes(model, data, options, batch_sizes, device) if counts else None
    workers = worker_count(networks, requested.workers, options.device, need)
    # The workers of a cluster have one core each; on this machine its workers share the cores.
    processes = available_cores() if networks > 1 and choose_backend(networks, workers).is_cluster else workers
    precision = choose_precision(model, options.precision, device)
    precision.format_model(model)
    training = resolve_hardware_options(options, model, data, precision, batch_sizes, workers=processes)
    filled = {
        "size": _data_set_size(requested),
        "encoder": (requested.encoder or plan.encoder) if isinstance(plan, NetworkPlan) else None,
        "workers": workers,
        "training": training,
        "version": polytask.__version__,
    }
    return requested.model_copy(update=filled)


def is_trained_by_function(config: NetworkConfig) -> bool:
    """Return whether the user's own function trains in a study, in the place of networks."""
    return isinstance(config, StudyConfig) and config.train is not None


def _resolved_for_function(requested: Config, options: TrainingOptions, calls: int) -> Config:
    """Return the configuration of a training function, whose processes share the cores of this machine."""
    workers = worker_count(calls, requested.workers)
    threads = options.threads or max(1, available_cores() // workers)
    filled = {"size": _data_set_size(requested), "workers": workers, "version": polytask.__version__}
    return requested.model_copy(update={**filled, "training": options.with_changes({"threads": threads})})


def _data_set_size(requested: NetworkConfig) -> str | None:
    return requested.size if requested.size or requested.source is None else get_dataset(requested.source).size


def check_buildable(requested: NetworkConfig, sources: Sequence[Source], tasks: Sequence[Task], arms: Sequence[ResolvedArm]) -> None:
    """Build every kind of network, balancer and optimizer of a run once, so that errors are raised before a folder is written.

    Raises:
        ConfigError: An encoder, optimizer, schedule, balancer or callback does not exist or does not accept its options, a freeze
            pattern matches no parameter, or worker processes cannot import what a task is made of.
        StorageError: The weights file cannot be read.
    """
    resolve_device(requested.training.device)
    for task in tasks:
        task.check_importable()
    for arm in arms:
        if arm.baseline:
            check_baseline(arm.baseline, tasks, sources)
    if is_trained_by_function(requested):
        return
    plan, options, names = network_plan(requested, sources), requested.training, [task.name for task in tasks]
    TaskControl.of(options, names)
    if isinstance(plan, ModulePlan):
        plan.check(tasks)
    make_callbacks(requested.callbacks, names)
    for arm in (arm for arm in arms if arm.is_network):
        own = arm.plan(plan)
        if arm.max_groups and isinstance(own, NetworkPlan):
            _check_every_group(arm, own.architecture, tasks)
        for group in arm.groups:
            learned = tuple(task for task in tasks if task.name in group)
            model = arm.plan(plan, set(names) - set(group)).build(learned, seed=0)
            if options.initial_weights is not None:
                load_weights(model, options.initial_weights)
            freeze(model, options.freeze)
            initial_state(model, make_balancer(arm.balancer, learned, 0, arm.options), options_for(options, group, names))


def check_parts(requested: NetworkConfig, arms: Sequence[ResolvedArm]) -> None:
    """Check that no arm names a part of a network if the user's own function makes the networks.

    Raises:
        ConfigError: An arm has an architecture or an encoder.
    """
    for arm in arms if requested.model is not None else ():
        if arm.is_network:
            arm.plan(ModulePlan(requested.model or "", {}))


def _check_every_group(arm: ResolvedArm, architecture: str, tasks: Sequence[Task]) -> None:
    """Check that the architecture of an arm fits every group that may be found: a group that it does not fit contains such a pair.

    Raises:
        ConfigError: It does not fit two tasks.
    """
    found = resolve("architecture", architecture)
    for pair in combinations(tasks, 2):
        try:
            check_kinds(found, pair)
        except ConfigError as error:
            where = f"arm {arm.name!r}, {error.where}, if {' and '.join(task.name for task in pair)} are a group"
            remedy = "Leave out this arm, or choose another architecture"
            raise ConfigError(error.what, where=where, found=error.found, remedy=remedy) from None


def make_job_context(config: NetworkConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> JobContext:
    """Return the data and options shared by all jobs of a run."""
    batch_sizes = _batch_sizes(sources, config.training)
    return JobContext(tuple(sources), tuple(tasks), network_plan(config, sources), batch_sizes, config.training, config.callbacks)


def network_plan(config: NetworkConfig, sources: Sequence[Source]) -> Plan:
    """Return the plan of the networks of a configuration, before arms change it."""
    if config.model is not None:
        return ModulePlan(config.model, input_forms(sources))
    if isinstance(config, StudyConfig) and config.train is not None:
        return ModulePlan(config.train, {})  # never built: the function makes whatever it trains
    return plan_network(sources, config.encoder, config.encoder_options, config.architecture, config.hidden, config.initialization)


def _batch_sizes(sources: Sequence[Source], options: TrainingOptions) -> dict[str, int] | None:
    """Return the rows per source and step with proportional sampling, otherwise `None`.

    A source gives every arm the same number of rows per step as in a network that learns from all sources.
    """
    if options.sampling != "proportional":
        return None
    return proportional_batch_sizes({source.name: len(source) for source in sources}, options.batch_size)
