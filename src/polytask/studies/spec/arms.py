"""Arms: the ways of training that a study compares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from polytask.architectures import NetworkPlan
from polytask.balancing.factory import with_options
from polytask.errors import ConfigError
from polytask.options.component_names import Written
from polytask.registry import names
from polytask.registry.parsing import parse_balancer, parse_options
from polytask.registry.resolve import resolve, written
from polytask.registry.suggestion import nearest

SINGLE = "single"
GROUPED = "grouped"
TREES = "trees"
WEIGHTS = "weights="
TUNED_WEIGHTS = "tuned"
ENCODER = "encoder"


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Balancers, ways of sharing and encoders are named, or given as classes or objects: `pt.Arm("mine", balancer=Mine())`. Of an object
    another one is made for every network, from the call that made it.

    Attributes:
        name: How results call it.
        groups: The tasks of each network: all in one, each alone, or as they were grouped; none while that is not known.
        balancer: Registry name or import path, after those of wrappers.
        options: The balancer's.
        architecture: The way of sharing, as users write it; that of the study where there is none.
        encoder: An encoder as users write it, or options beside those of the study's encoder.
        tunes_weights: Whether its fixed weights are looked for.
        max_groups: How many groups there may be at most, where they are made from the tasks' affinities.
        is_trees: Whether it is boosted trees, a model for every task, and no network.

    Raises:
        ConfigError: An unknown name or option, something of another group, or what cannot be written down or sent to other processes.

    Example:
        >>> from polytask.balancing import CAGrad
        >>> arm = Arm("mine", balancer=CAGrad(c=0.3))
        >>> arm.balancer, arm.options
        ('cagrad', {'c': 0.3})
    """

    name: str
    groups: tuple[tuple[str, ...], ...] = ()
    balancer: Any = "equal"
    options: Mapping[str, Any] = field(default_factory=dict)
    architecture: Any = ""
    encoder: Any = field(default_factory=dict)
    tunes_weights: bool = False
    max_groups: int = 0
    is_trees: bool = False

    def __post_init__(self) -> None:
        where = f"arm {self.name!r}"
        balancer, own = parse_balancer(written("balancer", self.balancer, f"{where}, balancer"))
        object.__setattr__(self, "balancer", balancer)
        object.__setattr__(self, "options", {**own, **self.options})
        if self.architecture:
            object.__setattr__(self, "architecture", written("architecture", self.architecture, f"{where}, architecture"))
        if not isinstance(self.encoder, Mapping):
            object.__setattr__(self, "encoder", written("encoder", self.encoder, f"{where}, encoder"))

    @property
    def is_joint(self) -> bool:
        """Whether it is a way to train tasks together, and so one that may be chosen."""
        return self.name != SINGLE and not self.is_trees

    def plan(self, common: NetworkPlan, absent: Collection[str] = ()) -> NetworkPlan:
        """What a network of this arm that has not these tasks is made of, given what those of the study are."""
        plan = replace(common, architecture=self.architecture or common.architecture)
        if isinstance(self.encoder, str):
            found = resolve("encoder", self.encoder)
            return replace(plan, encoder=found.name, encoder_options=dict(found.options)).without_tasks(absent)
        options = {name: tuple(value) if isinstance(value, list) else value for name, value in self.encoder.items()}
        return replace(plan, encoder_options={**common.encoder_options, **options}).without_tasks(absent)

    @property
    def written(self) -> dict[str, Any]:
        """It as it stands in a file, where its name does not say all."""
        balancer = with_options(resolve("balancer", self.balancer), self.options).text
        parts = {"balancer": balancer, "architecture": self.architecture, "encoder": self.encoder}
        return {"name": self.name, **{name: value for name, value in parts.items() if value}}


def parse_arm(given: Written, tasks: Sequence[str]) -> Arm:
    """An arm as users write it: `single`, a balancer such as `cagrad(c=0.4)`, or `weights=0.2/0.8` in the order of the tasks.

    `weights=tuned` looks for its weights; `grouped(groups=3)` trains groups of tasks that do each other good; `trees` is boosted trees per
    task, to compare with.

    A mapping has a `name`, and a `balancer`, `architecture` or `encoder`.

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
    if not isinstance(given, str):
        return _arm_of_parts(given, tasks)
    text = given.strip()
    before, sharing, architecture = text.rpartition("@")
    if architecture.startswith(f"{ENCODER}("):
        return replace(parse_arm(before, tasks), name=text, encoder=parse_options(architecture))
    if sharing:
        return replace(parse_arm(before, tasks), name=text, architecture=architecture)
    together = (tuple(tasks),)
    if text == SINGLE:
        return Arm(text, tuple((task,) for task in tasks))
    if text == TREES:
        return Arm(text, tuple((task,) for task in tasks), is_trees=True)
    if text.partition("(")[0] == GROUPED:
        return Arm(text, (), max_groups=_max_groups(text, len(tasks)))
    if text == f"{WEIGHTS}{TUNED_WEIGHTS}":
        return Arm(text, together, "fixed", {"weights": dict.fromkeys(tasks, 1.0)}, tunes_weights=True)
    if text.startswith(WEIGHTS):
        return Arm(text, together, "fixed", {"weights": _weights(text, tasks)})
    if "(" not in text and ":" not in text and text not in names("balancer"):
        raise ConfigError("unknown arm", where=text, remedy=nearest(text, (SINGLE, *names("balancer"), *_SPECIAL_ARMS)))
    balancer, options = parse_balancer(text)
    return Arm(text, together, balancer, options)


def _arm_of_parts(parts: Mapping[str, Any], tasks: Sequence[str]) -> Arm:
    if parts["name"] in (SINGLE, TREES):
        raise ConfigError("this name has a meaning of its own", where=f"arm {parts['name']!r}", remedy="Call the arm something else")
    return replace(Arm(**parts), groups=(tuple(tasks),))


def parse_arms(given: Sequence[Written], tasks: Sequence[str]) -> tuple[Arm, ...]:
    """All arms of a study.

    Raises:
        ConfigError: One stands there twice, `single` is missing, or nothing is compared with it.
    """
    arms = tuple(parse_arm(arm, tasks) for arm in given)
    listed = [arm.name for arm in arms]
    for name in listed:
        if listed.count(name) > 1:
            raise ConfigError("an arm stands once in the list", where=f"arms, {name!r}", found=f"{listed.count(name)} times")
    if SINGLE not in listed or not any(arm.is_joint for arm in arms):
        remedy = f"Add {SINGLE!r}" if SINGLE not in listed else "Add an arm such as 'equal'"
        raise ConfigError("a study compares single-task training with joint training", where="arms", found=", ".join(listed), remedy=remedy)
    return arms


_SPECIAL_ARMS = (f"{WEIGHTS}0.2/0.8", f"{WEIGHTS}{TUNED_WEIGHTS}", GROUPED, TREES)


def _max_groups(text: str, tasks: int) -> int:
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
        raise ConfigError("weights are numbers with slashes between", where=text, remedy=f"For example {_example_weights(tasks)}") from None
    if len(values) != len(tasks):
        raise ConfigError(f"one weight per task is needed, in the order {', '.join(tasks)}", where=text, found=f"{len(values)} weights")
    return dict(zip(tasks, values, strict=True))


def _example_weights(tasks: Sequence[str]) -> str:
    return WEIGHTS + "/".join(["1"] * len(tasks))
