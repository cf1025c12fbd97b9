"""Arms: the ways of training that a study compares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from polytask.architectures import NetworkPlan
from polytask.errors import ConfigError
from polytask.registry import names
from polytask.registry.parsing import parse_balancer, parse_component, parse_options
from polytask.registry.suggestion import nearest

SINGLE = "single"
GROUPED = "grouped"
TREES = "trees"
WEIGHTS = "weights="
TUNED = "tuned"
ENCODER = "encoder"


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Attributes:
        name: How results call it.
        groups: The tasks of each network: all in one, each alone, or as they were grouped; none while that is not known.
        balancer: Registry name, after those of wrappers.
        options: The balancer's.
        architecture: The way of sharing, as users write it; that of the study where there is none.
        encoder: Options of the encoder, beside those of the study.
        tunes_weights: Whether its fixed weights are looked for.
        most_groups: How many groups there may be at most, where they are made from the tasks' affinities.
        trees: Whether it is boosted trees, a model for every task, and no network.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    balancer: str = "equal"
    options: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = ""
    encoder: Mapping[str, Any] = field(default_factory=dict)
    tunes_weights: bool = False
    most_groups: int = 0
    trees: bool = False

    @property
    def joint(self) -> bool:
        """Whether it is a way to train tasks together, and so one that may be chosen."""
        return self.name != SINGLE and not self.trees

    def plan(self, common: NetworkPlan, absent: Collection[str] = ()) -> NetworkPlan:
        """What a network of this arm that has not these tasks is made of, given what those of the study are."""
        options = {**common.encoder_options, **{name: tuple(v) if isinstance(v, list) else v for name, v in self.encoder.items()}}
        plan = replace(common, architecture=self.architecture or common.architecture, encoder_options=options)
        return plan.without(absent)


def parse_arm(text: str, tasks: Sequence[str]) -> Arm:
    """An arm as users write it: `single`, a balancer such as `cagrad(c=0.4)`, or `weights=0.2/0.8` in the order of the tasks.

    `weights=tuned` looks for its weights; `grouped(groups=3)` trains groups of tasks that do each other good; `trees` is boosted trees per
    task, to compare with.

    With `@` after it comes a way of sharing of its own: `equal@mmoe(experts=8)`; and after that, if networks are to differ in size,
    options of the encoder: `equal@mmoe(experts=8)@encoder(channels=[8, 16])`.

    Raises:
        ConfigError: There is no such arm or way of sharing, or the weights do not fit the tasks.

    Example:
        >>> parse_arm("single", ["digit", "garment"]).groups
        (('digit',), ('garment',))
        >>> parse_arm("weights=0.2/0.8", ["digit", "garment"]).options
        {'weights': {'digit': 0.2, 'garment': 0.8}}
        >>> parse_arm("cagrad(c=0.4)", ["digit", "garment"]).options
        {'c': 0.4}
        >>> parse_arm("equal@mmoe(experts=8)", ["digit", "garment"]).architecture
        'mmoe(experts=8)'
        >>> parse_arm("equal@mmoe@encoder(channels=[8, 16])", ["digit", "garment"]).encoder
        {'channels': [8, 16]}
    """
    before, sharing, architecture = text.rpartition("@")
    if architecture.startswith(f"{ENCODER}("):
        return replace(parse_arm(before, tasks), name=text, encoder=parse_options(architecture))
    if sharing:
        parse_component("architecture", architecture)
        return replace(parse_arm(before, tasks), name=text, architecture=architecture)
    together = (tuple(tasks),)
    if text == SINGLE:
        return Arm(text, tuple((task,) for task in tasks))
    if text == TREES:
        return Arm(text, tuple((task,) for task in tasks), trees=True)
    if text.partition("(")[0] == GROUPED:
        return Arm(text, (), most_groups=_most_groups(text, len(tasks)))
    if text == f"{WEIGHTS}{TUNED}":
        return Arm(text, together, "fixed", {"weights": dict.fromkeys(tasks, 1.0)}, tunes_weights=True)
    if text.startswith(WEIGHTS):
        return Arm(text, together, "fixed", {"weights": _weights(text, tasks)})
    if "(" not in text and ":" not in text and text not in names("balancer"):
        raise ConfigError("unknown arm", where=text, remedy=nearest(text, (SINGLE, *names("balancer"), *_OTHERS)))
    balancer, options = parse_balancer(text)
    return Arm(text, together, balancer, options)


def parse_arms(texts: Sequence[str], tasks: Sequence[str]) -> tuple[Arm, ...]:
    """All arms of a study.

    Raises:
        ConfigError: One stands there twice, `single` is missing, or nothing is compared with it.
    """
    arms = tuple(parse_arm(text.strip(), tasks) for text in texts)
    listed = [arm.name for arm in arms]
    for name in listed:
        if listed.count(name) > 1:
            raise ConfigError("an arm stands once in the list", where=f"arms, {name!r}", found=f"{listed.count(name)} times")
    if SINGLE not in listed or not any(arm.joint for arm in arms):
        remedy = f"Add {SINGLE!r}" if SINGLE not in listed else "Add an arm such as 'equal'"
        raise ConfigError("a study compares single-task training with joint training", where="arms", found=", ".join(listed), remedy=remedy)
    return arms


_OTHERS = (f"{WEIGHTS}0.2/0.8", f"{WEIGHTS}{TUNED}", GROUPED, TREES)


def _most_groups(text: str, tasks: int) -> int:
    """From `grouped(groups=3)`; two if nothing is said.

    Raises:
        ConfigError: Another option, too few tasks to group, or a number that makes no groups.
    """
    options = parse_options(text)
    groups = options.pop("groups", 2)
    if options:
        raise ConfigError("groups have one option", where=text, found=", ".join(options), remedy=f"Write {GROUPED}(groups=3)")
    if tasks < 3:
        raise ConfigError("at least three tasks can be grouped", where=text, found=tasks, remedy="Leave this arm out")
    if not isinstance(groups, int) or not 1 < groups < tasks:
        raise ConfigError(f"between 2 and {tasks - 1} groups can be made of {tasks} tasks", where=text, found=groups)
    return groups


def _weights(text: str, tasks: Sequence[str]) -> dict[str, float]:
    parts = text.removeprefix(WEIGHTS).split("/")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        raise ConfigError("weights are numbers with slashes between", where=text, remedy=f"For example {_example(tasks)}") from None
    if len(values) != len(tasks):
        raise ConfigError(f"one weight per task is needed, in the order {', '.join(tasks)}", where=text, found=f"{len(values)} weights")
    return dict(zip(tasks, values, strict=True))


def _example(tasks: Sequence[str]) -> str:
    return WEIGHTS + "/".join(["1"] * len(tasks))
