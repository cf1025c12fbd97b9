"""Search spaces of arms, and how chosen values change an arm and its training options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from polytask.options import TrainingOptions
from polytask.options.study_config import Tuned
from polytask.registry import Range
from polytask.registry.parsing import chain_of
from polytask.registry.resolve import resolve
from polytask.studies.spec.arms import ResolvedArm

Settings = Mapping[str, float]
"""Chosen values by name of a range; anything without an entry keeps its value."""


SEARCH_FACTOR = 10.0
"""The learning rate is searched between a tenth and ten times the given one, and task weights between a tenth and ten."""
WEIGHT_DECAY_RANGE = (1e-6, 1e-2)
LR, DECAY, BALANCER_PREFIX, WEIGHT_PREFIX = "lr", "weight_decay", "balancer.", "weight."


def search_space(arm: ResolvedArm, tasks: Sequence[str], options: TrainingOptions, tune: Sequence[Tuned]) -> tuple[Range, ...]:
    """Return the ranges in which the values of an arm are searched.

    Args:
        arm: Arm to tune; task weights are tuned if it is `weights=tuned`.
        tasks: Tasks that the network learns.
        options: Training options; the learning rate is searched around theirs.
        tune: What to tune: `lr` (learning rate), `decay` (weight decay), `balancer` (numeric options of the balancer, except those that
            the arm sets).

    Example:
        >>> from polytask.studies.spec.arms import parse_arm
        >>> arm = parse_arm("cagrad", ["a", "b"])
        >>> [(r.name, r.low, r.high) for r in search_space(arm, ["a", "b"], TrainingOptions(), ["lr", "balancer"])]
        [('lr', 0.0001, 0.01), ('balancer.c', 0.1, 0.9)]
    """
    ranges = [Range(LR, options.lr / SEARCH_FACTOR, options.lr * SEARCH_FACTOR, log=True)] if "lr" in tune else []
    if arm.tunes_weights:
        ranges += [Range(f"{WEIGHT_PREFIX}{task}", 1 / SEARCH_FACTOR, SEARCH_FACTOR, log=True) for task in tasks]
    if "decay" in tune:
        ranges.append(Range(DECAY, *WEIGHT_DECAY_RANGE, log=True))
    if "balancer" in tune and len(tasks) > 1:
        own = resolve("balancer", arm.balancer).innermost.spec.ranges
        given = _unwrapped_options(arm.options, len(chain_of(arm.balancer)) - 1)
        ranges += [replace(found, name=f"{BALANCER_PREFIX}{found.name}") for found in own if found.name not in given]
    return tuple(ranges)


def apply_settings(arm: ResolvedArm, options: TrainingOptions, settings: Settings) -> tuple[ResolvedArm, TrainingOptions]:
    """Return the arm and the training options with the chosen values.

    Task weights are scaled to a mean of 1.

    Example:
        >>> from polytask.studies.spec.arms import parse_arm
        >>> arm, options = apply_settings(parse_arm("smooth-weights:cagrad", ["a", "b"]), TrainingOptions(), {"lr": 0.1, "balancer.c": 0.3})
        >>> options.lr, arm.options
        (0.1, {'balancer': {'c': 0.3}})
    """
    update: dict[str, Any] = {LR: settings[LR]} if LR in settings else {}
    if DECAY in settings:
        update["optimizer_options"] = {**options.optimizer_options, DECAY: settings[DECAY]}
    own = {name.removeprefix(BALANCER_PREFIX): value for name, value in settings.items() if name.startswith(BALANCER_PREFIX)}
    weights = {name.removeprefix(WEIGHT_PREFIX): value for name, value in settings.items() if name.startswith(WEIGHT_PREFIX)}
    if own:
        arm = replace(arm, options=_set_unwrapped_options(arm.options, len(chain_of(arm.balancer)) - 1, own))
    if weights:
        mean = sum(weights.values()) / len(weights)
        arm = replace(arm, options={**arm.options, "weights": {task: value / mean for task, value in weights.items()}})
    return arm, options.with_changes(update)


def _unwrapped_options(options: Mapping[str, Any], wrappers: int) -> Mapping[str, Any]:
    """Return the options of the balancer inside this many wrappers."""
    return _unwrapped_options(options.get("balancer", {}), wrappers - 1) if wrappers else options


def _set_unwrapped_options(options: Mapping[str, Any], wrappers: int, own: Mapping[str, float]) -> dict[str, Any]:
    """Return the options with additional ones for the balancer inside this many wrappers."""
    if not wrappers:
        return {**options, **own}
    return {**options, "balancer": _set_unwrapped_options(options.get("balancer", {}), wrappers - 1, own)}
