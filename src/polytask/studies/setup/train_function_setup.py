"""The training function of a study: its arms, and the test inputs that it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from polytask.data import Source, check_sources
from polytask.errors import ConfigError
from polytask.options import StudyConfig
from polytask.options.values.component_names import ARM_GROUPS, Written
from polytask.registry import names
from polytask.registry.resolve import described, group_of
from polytask.studies.execution.function_fit import TrainFunction, rows_digest
from polytask.studies.execution.job_training import JobContext
from polytask.studies.results.open_test_data import check_common_rows, check_every_task_has_test_rows, check_shapes
from polytask.studies.spec.arms import JOINT, SINGLE, ResolvedArm
from polytask.training.preparation.known_sources import known_sources

_PARTS = ("architecture", "encoder")


def with_train_function(
    context: JobContext, config: StudyConfig, arms: Sequence[ResolvedArm], load_test: Callable[[], tuple[Source, ...]]
) -> JobContext:
    """Return the context with the training function and the test inputs, if the study has such a function.

    The test sources are loaded here, and their labels are dropped before anything else sees them.

    Args:
        context: Data and options shared by all jobs.
        config: Resolved configuration.
        arms: All arms.
        load_test: Function that loads the test sources.

    Raises:
        ConfigError: Two test sources have the same name, or a source has a transform, which a training function would not get.
        DataError: A task has no labeled test row in a source that it also has for training, test rows have another shape than
            training rows, or all of them are training rows.
    """
    if config.train is None:
        return context
    for source in context.sources:
        if source.transform is not None:
            what, remedy = "a training function changes its batches itself", "Leave transform= out"
            raise ConfigError(what, where=f"source {source.name!r}, transform", found=described(source.transform), remedy=remedy)
    sources = known_sources(check_sources(load_test(), "test"), context.tasks)
    named = [source.name for source in sources]
    for name in named:
        if named.count(name) > 1:
            raise ConfigError("names of test sources must be unique", where="test", found=f"{named.count(name)} sources named {name!r}")
    check_every_task_has_test_rows(sources, context)
    check_common_rows(sources, context)
    check_shapes(sources, context)
    test = tuple(Source(source.name, source.inputs, {}, source.units, source.preprocessor) for source in sources)
    tasks = {source.name: source.tasks for source in sources}
    several = sum(arm.is_joint for arm in arms) > 1
    digests = {source.name: rows_digest(source) for source in test}
    return replace(context, function=TrainFunction(config.train, tasks, test, config.time_limit, several, digests))


def check_function_arms(config: StudyConfig) -> None:
    """Check that a training function has arms that it can be called for, and that networks have none of its arms.

    Raises:
        ConfigError: An arm is a balancer or names a part of a network, or is one of a training function without one.
    """
    for arm in config.arms:
        name = arm if isinstance(arm, str) else str(arm.get("name"))
        if config.train is None and _is_of_function(arm):
            remedy = "Give train=, a training function, or choose a balancer such as 'equal'"
            raise ConfigError("this arm is for a training function", where="arms", found=name, remedy=remedy)
        if config.train is not None and not _is_callable_for(arm):
            remedy = "Use single, joint, joint(width=64) or Arm('wide', options={...}), and baselines such as linear"
            raise ConfigError("a training function has no balancers and no networks", where="arms", found=name, remedy=remedy)


def _is_of_function(arm: Written) -> bool:
    return arm.strip().partition("(")[0] == JOINT if isinstance(arm, str) else bool(arm.get("options"))


def _is_callable_for(arm: Written) -> bool:
    if isinstance(arm, Mapping):
        return arm.get("balancer", "equal") == "equal" and not any(arm.get(part) for part in _PARTS)
    word = arm.strip().partition("(")[0]
    known = arm.strip() == SINGLE or word in (JOINT, *names("baseline"))
    return known or (":" in arm and group_of(arm, ARM_GROUPS, "arms") == "baseline")
