"""What a component declares about itself, as data that can be read without importing torch."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass

from polytask.errors import ConfigError

GROUPS = ("task kind", "encoder", "architecture", "balancer", "balancer wrapper", "sampler", "data set", "callback")

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Range:
    """Where a number is looked for when it is tuned.

    Attributes:
        name: Of the argument.
        low: The smallest value.
        high: The largest.
        log: Whether equal ratios are equally far apart, instead of equal differences.

    Example:
        >>> Range("lr", 0.01, 1.0, log=True).at(0.5)
        0.1
    """

    name: str
    low: float
    high: float
    log: bool = False

    def at(self, share: float) -> float:
        """The value that far along, from 0 to 1."""
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return float(self.low + share * (self.high - self.low))


@dataclass(frozen=True)
class ComponentSpec:
    """What a component is called, where it is defined, and what it can do.

    The tables in `polytask.registry.catalogue` hold one for each component of polytask. A class of yours carries its own as the class
    attribute `spec`; without one, a name and a summary are derived from the class.

    Attributes:
        group: One of `GROUPS`.
        name: The registry name, in kebab case: what users and files write.
        target: Where the component is defined, as `package.module:Name`; of a class attribute `spec` the class itself.
        summary: What it does, in one line.
        display: Its name in sentences and charts; by default the registry name.
        paper: Who published it, as `authors, venue year`.
        needs: What it asks of its surroundings.
        kinds: The kinds of task that it fits; empty where it fits all.
        cost: What it adds to one training step: backward passes first.
        memory: What it adds to peak memory.
        state: What it remembers between steps.
        ranges: Its own numbers that a study may tune.

    Raises:
        ConfigError: An unknown group, or a name that is not in kebab case.

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
        if self.group not in GROUPS:
            raise ConfigError("unknown group of components", where=repr(self.group), remedy=f"Choose from: {', '.join(GROUPS)}")
        if not KEBAB.fullmatch(self.name):
            remedy = f"Write it in lower case, with hyphens between words, such as {kebab(self.name) or 'my-method'}"
            raise ConfigError(f"this is no name of a {self.group}", where=repr(self.name), remedy=remedy)

    @property
    def title(self) -> str:
        """Its name in sentences."""
        return self.display or self.name


def kebab(name: str) -> str:
    """A class's name as registry names are written.

    Example:
        >>> kebab("MyMethod"), kebab("CAGrad"), kebab("IMTL_G")
        ('my-method', 'ca-grad', 'imtl-g')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+", "-", name)
    return re.sub(r"-+", "-", words).strip("-").lower()
