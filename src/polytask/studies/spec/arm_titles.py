"""Display names of arms, for sentences, tables and charts."""

from __future__ import annotations

from polytask.options.values.component_names import ARM_GROUPS
from polytask.registry import find, names
from polytask.registry.constructor_calls import WRAPPER, spelled_as
from polytask.registry.parsing import split_outside
from polytask.registry.resolve import Resolved, group_of, resolve
from polytask.studies.spec.arms_of_tables import TABLE_ARMS

TITLES = {"single": "separate networks", "joint": "joint training", "grouped": "groups of tasks", "weights=tuned": "tuned weights"}
"""Arms that are no component. A network per task is what `single` trains."""


def arm_title(text: str) -> str:
    """Return the display name of an arm: the display names of its parts, with their options.

    Args:
        text: The arm as users write it. An import path is shown by the `display` of its class, or its name in kebab case.

    Raises:
        ConfigError: A class cannot be imported.

    Example:
        >>> arm_title("uncertainty"), arm_title("single"), arm_title("cagrad(c=0.4)")
        ('uncertainty weighting', 'separate networks', 'CAGrad (c=0.4)')
        >>> arm_title("smooth-weights(decay=0.9):upgrad@mmoe(experts=8)")
        'UPGrad, smoothed weights (decay=0.9), mixture of experts (MMoE) (experts=8)'
    """
    if text in TABLE_ARMS:
        return TABLE_ARMS[text].title
    balancer, *parts = split_outside(text, "@")
    titles = [_balancer_title(balancer)]
    titles += [part if part.startswith("encoder(") else _component_title("architecture", part) for part in parts]
    return ", ".join(titles)


def _balancer_title(text: str) -> str:
    if text.startswith("weights=") and text not in TITLES:
        return text.replace("=", " ")
    if text not in TITLES and group_of(text, ARM_GROUPS) == "baseline":
        return _component_title("baseline", text)
    *wrappers, balancer = split_outside(text, ":")
    if not all(_name(wrapper) in names(WRAPPER) for wrapper in wrappers):
        return _resolved_title(resolve("balancer", text))
    return ", ".join([_component_title("balancer", balancer), *(_component_title(WRAPPER, wrapper) for wrapper in reversed(wrappers))])


def _component_title(group: str, text: str) -> str:
    name, _, options = text.strip().partition("(")
    if name not in names(group) and name not in TITLES:
        return _resolved_title(resolve(group, text))
    title = TITLES.get(name) or find(group, name).title
    return f"{title} ({options}" if options else title


def _resolved_title(found: Resolved) -> str:
    """Return the display names of a component and of its wrappers, with their options; the innermost comes first."""
    _, _, options = spelled_as("", found.options).partition("(")
    title = f"{found.spec.title} ({options}" if options else found.spec.title
    return title if found.inner is None else f"{_resolved_title(found.inner)}, {title}"


def _name(text: str) -> str:
    return text.strip().partition("(")[0]
