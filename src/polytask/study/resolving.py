"""From what was asked for to what will be done: names filled in, the machine's share of each network settled."""

from __future__ import annotations

from collections.abc import Sequence

import polytask
from polytask.architectures import NetworkPlan
from polytask.data import Source, proportional_batch_sizes
from polytask.datasets import dataset
from polytask.encoders.initialisation import freeze, load_weights
from polytask.options import NetworkConfig, TrainingOptions
from polytask.options.network_config import Config
from polytask.study.arms import Arm
from polytask.study.backends import place_for
from polytask.study.jobs import Assignment
from polytask.study.running import workers_for
from polytask.study.trees import check_trees
from polytask.tasks import Task
from polytask.training import choose_precision, make_balancer, prepare, resolved
from polytask.training.fit import new_state
from polytask.training.machine import cores
from polytask.training.planning import plan_for
from polytask.training.preparation import validation_share


def resolve(asked: Config, sources: Sequence[Source], tasks: Sequence[Task], networks: int) -> Config:
    """The configuration with every default and every measured choice in it.

    Args:
        asked: What was asked for.
        sources: Training sources.
        tasks: All tasks.
        networks: How many will be trained.
    """
    share = validation_share(sources) if asked.training.validation is None else asked.training.validation
    options = asked.training.model_copy(update={"validation": share})
    plan = plan_of(asked, sources)
    model = plan.build(tasks, seed=0)
    data = prepare(sources, tasks, validation=options.validation, seed=0)
    workers = workers_for(networks, asked.workers)
    # Workers of a cluster have one core each.
    beside = cores() if networks > 1 and place_for(networks, workers).is_cluster else workers
    precision = choose_precision(model, options.precision)
    precision.arranged(model)
    batch_sizes = _batch_sizes(sources, options)
    training = resolved(options, model, data, precision, batch_sizes, workers=beside)
    filled = {
        "size": _size(asked),
        "encoder": asked.encoder or plan.encoder,
        "workers": workers,
        "training": training,
        "version": polytask.__version__,
    }
    return asked.model_copy(update=filled)


def _size(asked: NetworkConfig) -> str | None:
    return asked.size if asked.size or asked.source is None else dataset(asked.source).size


def check_buildable(asked: NetworkConfig, sources: Sequence[Source], tasks: Sequence[Task], arms: Sequence[Arm]) -> None:
    """Build what every kind of network in a run is trained with, once: what cannot be is refused before a folder is written.

    Raises:
        ConfigError: An encoder, optimizer, schedule or balancer that does not exist or does not take its options, or parts to
            freeze that a network has not.
        StorageError: The weights file cannot be read.
    """
    plan, options = plan_of(asked, sources), asked.training
    if any(arm.trees for arm in arms):
        check_trees(tasks, sources)
    for arm in arms:
        for group in () if arm.trees else arm.groups:
            learned = tuple(task for task in tasks if task.name in group)
            model = arm.plan(plan, {task.name for task in tasks} - set(group)).build(learned, seed=0)
            if options.weights is not None:
                load_weights(model, options.weights)
            freeze(model, options.freeze)
            new_state(model, make_balancer(arm.balancer, learned, 0, arm.options), options)


def assignment(config: NetworkConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> Assignment:
    """What all jobs of a run have in common."""
    batch_sizes = _batch_sizes(sources, config.training)
    return Assignment(tuple(sources), tuple(tasks), plan_of(config, sources), batch_sizes, config.training)


def plan_of(config: NetworkConfig, sources: Sequence[Source]) -> NetworkPlan:
    """What the networks are made of."""
    return plan_for(sources, config.encoder, config.encoder_options, config.architecture, config.hidden, config.initialisation)


def _batch_sizes(sources: Sequence[Source], options: TrainingOptions) -> dict[str, int] | None:
    """Where sampling is proportional, a source gives a step of any arm as many rows as it gives where all sources are there."""
    if options.sampling != "proportional":
        return None
    return proportional_batch_sizes({source.name: len(source) for source in sources}, options.batch_size)
