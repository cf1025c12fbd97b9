"""Arms: the training methods that a study compares."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from polytask.architectures.network.plan import Plan
from polytask.errors import ConfigError
from polytask.options.values.component_names import ARM_GROUPS, Written
from polytask.registry import names
from polytask.registry.parsing import TORCHJD, parse_balancer, parse_options
from polytask.registry.resolve import group_of, resolve, written
from polytask.registry.suggestion import nearest
from polytask.studies.spec.arm_titles import arm_title
from polytask.studies.spec.arms_of_tables import TABLE_ARMS

SINGLE = "single"
GROUPED = "grouped"
JOINT = "joint"
"""Call of a training function with all tasks; balancers are the joint arms of networks."""
WEIGHTS = "weights="
TUNED_WEIGHTS = "tuned"
ENCODER = "encoder"


RESERVED = (SINGLE, GROUPED, JOINT)


@dataclass(frozen=True, repr=False)
class Arm:
    """One training method of a study.

    Balancers, architectures and encoders are names, classes or objects: `pt.Arm("mine", balancer=Mine())`. An object is only a
    template: every network gets a new instance, made with the same arguments.

    Attributes:
        name: Name of the arm in results.
        balancer: Balancer, with its options, and the names of its wrappers before it.
        architecture: Architecture; empty for that of the study.
        encoder: Encoder, or options that are added to those of the study's encoder.
        title: Display name in sentences, tables and charts; by default the name.
        options: Options for a training function, in studies that have one: `pt.Arm("wide", options={"width": 64})`.

    Raises:
        ConfigError: The name is empty or reserved, a name or option is unknown, a component belongs to another group (e.g. an encoder as
            balancer), an object cannot be written to a file or sent to other processes, or the options are no plain data.

    Example:
        >>> from polytask.balancing import CAGrad
        >>> Arm("mine", balancer=CAGrad(c=0.3), architecture="mmoe(experts=8)")
        <Arm mine: balancer cagrad(c=0.3), architecture mmoe(experts=8)>
    """

    name: str
    balancer: Any = "equal"
    architecture: Any = ""
    encoder: Any = field(default_factory=dict)
    title: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_names(self.name, self.title)
        _check_plain(self.options, f"arm {self.name!r}, options")
        for group in ("balancer", "architecture", "encoder"):
            given = getattr(self, group)
            if given and not isinstance(given, Mapping):
                object.__setattr__(self, group, resolve(group, given, where=f"arm {self.name!r}, {group}").text)

    def __repr__(self) -> str:
        return f"<Arm {self.name}: {', '.join(f'{part} {value}' for part, value in self.written.items() if part != 'name')}>"

    @property
    def written(self) -> dict[str, Any]:
        """Arm as written in a configuration file: its name, and those of its other parts that are set."""
        parts = {"title": self.title, "balancer": self.balancer, "architecture": self.architecture, "encoder": self.encoder}
        parts["options"] = dict(self.options)
        return {"name": self.name, **{name: value for name, value in parts.items() if value}}


def _check_names(name: object, title: object) -> None:
    """Check the name and the title of an arm.

    Raises:
        ConfigError: They are not texts, or the name is empty or reserved.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigError("an arm needs a name", where="arm", found=repr(name), remedy="Write Arm('mine', balancer=...)")
    if name in (*RESERVED, *names("baseline"), *TABLE_ARMS) or name.startswith(WEIGHTS):
        raise ConfigError("this name is reserved", where=f"arm {name!r}", remedy="Choose another name for the arm")
    if not isinstance(title, str):
        raise ConfigError("a title must be a text", where=f"arm {name!r}, title", found=repr(title), remedy="Write title='My method'")


def _check_plain(options: object, where: str) -> None:
    """Check that options can be stored in a file as they are.

    Raises:
        ConfigError: They are no mapping of names, or a value is no plain data.
    """
    try:
        kept = isinstance(options, Mapping) and json.loads(json.dumps(dict(options), allow_nan=False)) == dict(options)
    except (TypeError, ValueError):
        kept = False
    if not kept:
        remedy = "Use names with numbers, texts, true or false, lists, and mappings"
        raise ConfigError("options must be plain data that a file can hold", where=where, found=repr(options)[:80], remedy=remedy)


@dataclass(frozen=True)
class ResolvedArm:
    """An arm whose networks and options are known.

    Attributes:
        name: Name of the arm in results.
        groups: Tasks of each network: all tasks in one network, one task per network, or groups of tasks; empty while the groups are
            not known yet.
        balancer: Registry name or import path of the balancer, with the names of its wrappers before it.
        options: Options of the balancer.
        architecture: Architecture as users write it; empty for that of the study.
        encoder: Encoder as users write it, or options that are added to those of the study's encoder.
        tunes_weights: Whether its fixed task weights are tuned.
        max_groups: Largest number of groups for an arm whose groups are found from task affinities; 0 for other arms.
        baseline: Baseline with its options, one model per task, instead of networks; empty for other arms.
        title: Display name in sentences, tables and charts; by default the name.
        function_options: Options for the training function.
        table: Arm of a table that is no network (`polytask.studies.spec.arms_of_tables`); empty for other arms.

    Raises:
        ConfigError: A name or option is unknown, a component belongs to another group, its class cannot be imported, or a baseline is
            given an architecture or an encoder.
    """

    name: str
    groups: tuple[tuple[str, ...], ...] = ()
    balancer: Any = "equal"
    options: Mapping[str, Any] = field(default_factory=dict)
    architecture: Any = ""
    encoder: Any = field(default_factory=dict)
    tunes_weights: bool = False
    max_groups: int = 0
    baseline: Any = ""
    title: str = ""
    function_options: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""

    def __post_init__(self) -> None:
        where = f"arm {self.name!r}"
        object.__setattr__(self, "title", self.title or self.name)
        if self.baseline:
            object.__setattr__(self, "baseline", written("baseline", self.baseline, where))
            if self.architecture or self.encoder:
                found = self.architecture or self.encoder
                raise ConfigError("a baseline has no network", where=where, found=found, remedy="Leave out what follows the @")
        balancer, own = parse_balancer(written("balancer", self.balancer, f"{where}, balancer"))
        object.__setattr__(self, "balancer", balancer)
        object.__setattr__(self, "options", {**own, **self.options})
        if self.architecture:
            object.__setattr__(self, "architecture", written("architecture", self.architecture, f"{where}, architecture"))
        if not isinstance(self.encoder, Mapping):
            object.__setattr__(self, "encoder", written("encoder", self.encoder, f"{where}, encoder"))

    @property
    def is_joint(self) -> bool:
        """Whether the arm trains networks together, so that validation data may choose it for the verdict."""
        return self.name != SINGLE and self.is_network

    @property
    def is_network(self) -> bool:
        """Whether the arm trains networks, or calls a training function in their place."""
        return not self.baseline and not self.table

    def plan(self, common: Plan, absent: Collection[str] = ()) -> Plan:
        """Return the plan of a network of this arm.

        Args:
            common: Plan of the study's networks, which this arm may change.
            absent: Tasks that the network does not learn.

        Raises:
            ConfigError: The arm has an architecture or an encoder of its own, and the network has no such parts.
        """
        return common.with_parts(self.architecture, self.encoder, f"arm {self.name!r}").without_tasks(absent)


def parse_arm(given: Written, tasks: Sequence[str]) -> ResolvedArm:
    """Parse an arm as users write it: `single`, a balancer such as `cagrad(c=0.4)`, or `weights=0.2/0.8` in the order of the tasks.

    `weights=tuned` tunes the weights; `grouped(groups=3)` trains groups of tasks that help each other; a baseline such as `trees` is one
    model per task, for comparison. `joint` and `joint(width=64)` are calls of a training function with all tasks. `trees@shared` and
    others are arms of tables (`polytask.studies.spec.arms_of_tables`).

    A mapping has a `name`, and a `balancer`, `architecture`, `encoder` or `title`, or the `options` of a training function.

    An architecture for this arm alone follows after `@`: `equal@mmoe(experts=8)`; options of the encoder, e.g. for another network
    size, follow after a second `@`: `equal@mmoe(experts=8)@encoder(channels=[8, 16])`.

    Args:
        given: Arm as a text, or its parts by name.
        tasks: Names of all tasks.

    Raises:
        ConfigError: The arm or architecture does not exist, or the weights do not fit the tasks.

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
    if text in TABLE_ARMS and text not in names("baseline"):
        return ResolvedArm(text, _groups(tasks, shared=TABLE_ARMS[text].shared), table=text, title=arm_title(text))
    arm = _arm_of_text(text, tasks)
    return replace(arm, title=arm_title(arm.name))


def _arm_of_text(text: str, tasks: Sequence[str]) -> ResolvedArm:
    before, sharing, architecture = text.rpartition("@")
    if architecture.startswith(f"{ENCODER}("):
        return replace(_arm_of_text(before, tasks), name=text, encoder=parse_options(architecture))
    if sharing:
        return replace(_arm_of_text(before, tasks), name=text, architecture=architecture)
    together = _groups(tasks, shared=True)
    if text == SINGLE:
        return ResolvedArm(text, _groups(tasks, shared=False))
    if text.partition("(")[0] == GROUPED:
        return ResolvedArm(text, (), max_groups=_max_groups(text, len(tasks)))
    if text.partition("(")[0] == JOINT:
        return ResolvedArm(text, together, function_options=parse_options(text))
    if text == f"{WEIGHTS}{TUNED_WEIGHTS}":
        return ResolvedArm(text, together, "fixed", {"weights": dict.fromkeys(tasks, 1.0)}, tunes_weights=True)
    if text.startswith(WEIGHTS):
        return ResolvedArm(text, together, "fixed", {"weights": _weights(text, tasks)})
    if not text.startswith(TORCHJD) and group_of(text, ARM_GROUPS, f"arm {text!r}") == "baseline":
        return ResolvedArm(text, _groups(tasks, shared=False), baseline=text)
    if "(" not in text and ":" not in text and not text.startswith(TORCHJD) and text not in names("balancer"):
        raise ConfigError(
            "unknown arm", where=text, remedy=nearest(text, (SINGLE, *names("balancer"), *_SPECIAL_ARMS, *names("baseline"), *TABLE_ARMS))
        )
    balancer, options = parse_balancer(text)
    return ResolvedArm(text, together, balancer, options)


def _groups(tasks: Sequence[str], *, shared: bool) -> tuple[tuple[str, ...], ...]:
    return (tuple(tasks),) if shared else tuple((task,) for task in tasks)


def _arm_of_parts(parts: Mapping[str, Any], tasks: Sequence[str]) -> ResolvedArm:
    arm = Arm(**parts)
    return ResolvedArm(
        arm.name,
        (tuple(tasks),),
        arm.balancer,
        architecture=arm.architecture,
        encoder=arm.encoder,
        title=arm.title,
        function_options=arm.options,
    )


def parse_arms(given: Sequence[Written], tasks: Sequence[str]) -> tuple[ResolvedArm, ...]:
    """Parse all arms of a study.

    Raises:
        ConfigError: An arm is listed twice, `single` is missing, or there is no joint arm.
    """
    arms = tuple(parse_arm(arm, tasks) for arm in given)
    listed = [arm.name for arm in arms]
    for name in listed:
        if listed.count(name) > 1:
            raise ConfigError("an arm must be listed only once", where=f"arms, {name!r}", found=f"{listed.count(name)} times")
    if SINGLE not in listed or not any(arm.is_joint for arm in arms):
        remedy = f"Add {SINGLE!r}" if SINGLE not in listed else "Add an arm such as 'equal'"
        raise ConfigError("a study needs single-task training and a joint arm", where="arms", found=", ".join(listed), remedy=remedy)
    titles = arm_titles(arms)
    return tuple(replace(arm, title=titles[arm.name]) for arm in arms)


def arm_titles(arms: Sequence[ResolvedArm]) -> dict[str, str]:
    """Return the display name of every arm by its name; arms that would share a display name keep their names.

    Example:
        >>> arm_titles(parse_arms(["single", "equal", "cagrad(c=0.4)"], ["digit", "garment"]))
        {'single': 'separate networks', 'equal': 'plain sum', 'cagrad(c=0.4)': 'CAGrad (c=0.4)'}
    """
    titles = [arm.title for arm in arms]
    return {arm.name: arm.title if titles.count(arm.title) == 1 else arm.name for arm in arms}


_SPECIAL_ARMS = (f"{WEIGHTS}0.2/0.8", f"{WEIGHTS}{TUNED_WEIGHTS}", GROUPED)


def _max_groups(text: str, tasks: int) -> int:
    """Return the largest number of groups from a text such as `grouped(groups=3)`; by default 2.

    Raises:
        ConfigError: There is another option, there are fewer than three tasks, or the number of groups is not between 2 and the
            number of tasks - 1.
    """
    options = parse_options(text)
    groups = options.pop("groups", 2)
    if options:
        raise ConfigError("`groups` is the only option", where=text, found=", ".join(options), remedy=f"Write {GROUPED}(groups=3)")
    if tasks < 3:
        raise ConfigError("grouping needs at least three tasks", where=text, found=tasks, remedy="Leave this arm out")
    if not isinstance(groups, int) or not 1 < groups < tasks:
        raise ConfigError(f"`groups` must be an integer from 2 to {tasks - 1} for {tasks} tasks", where=text, found=groups)
    return groups


def _weights(text: str, tasks: Sequence[str]) -> dict[str, float]:
    parts = text.removeprefix(WEIGHTS).split("/")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        raise ConfigError("weights must be numbers separated by slashes", where=text, remedy=f"Write {_example_weights(tasks)}") from None
    if len(values) != len(tasks):
        raise ConfigError(f"expected one weight per task, in the order {', '.join(tasks)}", where=text, found=f"{len(values)} weights")
    return dict(zip(tasks, values, strict=True))


def _example_weights(tasks: Sequence[str]) -> str:
    return WEIGHTS + "/".join(["1"] * len(tasks))
