"""Specification of a component, as data that can be read without importing torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest

GROUPS = ("task kind", "encoder", "architecture", "balancer", "balancer wrapper", "sampler", "data set", "callback", "logger", "baseline")

BASES: Mapping[str, str] = {
    "task kind": "polytask.tasks.base:Task",
    "encoder": "polytask.encoders.encoder:Encoder",
    "architecture": "polytask.architectures.architecture:Architecture",
    "balancer": "polytask.balancing.balancer:Balancer",
    "balancer wrapper": "polytask.balancing.wrappers.wrapper:Wrapper",
    "sampler": "polytask.data.sampling.proportional_sampler:Sampler",
    "data set": "polytask.datasets.base:Dataset",
    "callback": "polytask.training.callback:Callback",
    "logger": "polytask.loggers.base:Logger",
    "baseline": "polytask.baselines.base:Baseline",
}
"""Import path of the base class of each group."""
ADAPTERS: Mapping[str, str] = {"encoder": "polytask.encoders.module_encoder:MadeEncoder"}
"""Import path, by group, of a class whose method `of` makes a component of a user's function or PyTorch module class."""
SPELLINGS = tuple(group.replace(" ", "-") for group in GROUPS)
"""The groups as users write them, with hyphens between words."""
KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Range:
    """Search range of a numeric option that is tuned.

    Attributes:
        name: Name of the constructor argument.
        low: Smallest value.
        high: Largest value.
        log: Whether the scale is logarithmic; otherwise it is linear.

    Example:
        >>> Range("lr", 0.01, 1.0, log=True).at(0.5)
        0.1
    """

    name: str
    low: float
    high: float
    log: bool = False

    def at(self, share: float) -> float:
        """Return the value at a fraction of the range, from 0 (`low`) to 1 (`high`)."""
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return float(self.low + share * (self.high - self.low))


@dataclass(frozen=True)
class ComponentSpec:
    """Name, import path, description and requirements of a component.

    The tables in `polytask.registry.catalogue` hold one specification for each component of polytask. A user's class can carry its
    specification as the class attribute `spec`; without one, a name and a summary are derived from the class.

    Attributes:
        group: Group of the component, one of `GROUPS`.
        name: Registry name in kebab case, as users and files write it.
        target: Import path of the class, as `package.module:Name`; for a class attribute `spec` it is always the class itself.
        summary: One-line description.
        display: Name in sentences and charts; by default the registry name.
        paper: Publication, as `authors, venue year`.
        needs: What the component requires, such as statistics of the gradients or a kind of inputs.
        kinds: Kinds of task that an architecture is for: one of its tasks must be of these; empty if it is for all.
        cost: What the component adds to one training step, backward passes first.
        memory: What the component adds to peak memory.
        state: What the component keeps between steps.
        ranges: Search ranges of the component's options that a study may tune.

    Raises:
        ConfigError: The group is unknown, or the name is not in kebab case.

    Example:
        >>> ComponentSpec("balancer", "mine", summary="the sum of squares").title
        'mine'
    """

    group: str
    name: str
    target: str = ""
    summary: str = ""
    _: KW_ONLY
    display: str = ""
    paper: str = ""
    needs: str = ""
    kinds: tuple[str, ...] = ()
    cost: str = ""
    memory: str = ""
    state: str = ""
    ranges: tuple[Range, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "group", group_called(self.group))
        if not KEBAB.fullmatch(self.name):
            remedy = f"Write it in lower case, with hyphens between words, such as {kebab(self.name) or 'my-method'}"
            raise ConfigError(f"the name of a {self.group} must be in kebab case", where=repr(self.name), remedy=remedy)

    @property
    def title(self) -> str:
        """Name in sentences and charts: `display`, or the registry name."""
        return self.display or self.name


def group_called(name: str) -> str:
    """Return the group with a name, which may have hyphens or spaces between its words.

    Raises:
        ConfigError: There is no such group; the message suggests the nearest.

    Example:
        >>> group_called("task-kind"), group_called("task kind")
        ('task kind', 'task kind')
    """
    group = name.replace("-", " ")
    if group not in GROUPS:
        raise ConfigError("unknown group of components", where=repr(name), remedy=nearest(name, SPELLINGS))
    return group


def kebab(name: str) -> str:
    """Return a class name in kebab case, the form of registry names.

    Example:
        >>> kebab("MyMethod"), kebab("CAGrad"), kebab("IMTL_G")
        ('my-method', 'ca-grad', 'imtl-g')
    """
    # Hyphens go between a lower-case and an upper-case letter, before the last capital of an acronym, and in place of other characters.
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+", "-", name)
    return re.sub(r"-+", "-", words).strip("-").lower()
