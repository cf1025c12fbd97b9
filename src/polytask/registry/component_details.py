"""What the documentation of a component says, as data: its formula, its options, when it fails."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from typing import Any

from polytask.errors import MissingExtraError
from polytask.registry.component import ComponentSpec
from polytask.registry.registered import load_class

LABELS = ("Scale", "Defaults", "Deviations", "Fails")
"""Words with a colon with which a paragraph of a docstring begins that is shown by itself."""
SECTIONS = re.compile(r"^(Args|Attributes|Returns|Raises|Example):$", re.MULTILINE)
OPTION = re.compile(r"^    (\w+): (.*(?:\n {6,}.*)*)", re.MULTILINE)
REQUIRED = "required"
GIVEN = ("name", "weight")
"""Arguments of tasks that polytask fills in, from the name of the target and its weight."""


@dataclass(frozen=True)
class ComponentOption:
    """Option of a component.

    Attributes:
        name: Name of the constructor argument.
        default: Default value, as Python writes it; "required" if there is none.
        text: What it means; empty if it is not documented.
    """

    name: str
    default: str
    text: str


@dataclass(frozen=True)
class ComponentDetails:
    """Documentation of a component.

    Attributes:
        text: Paragraphs on what it computes, with the formula; lines of formulas are indented.
        paragraphs: The paragraphs on its scale, its defaults, deviations from the paper, and when it fails, by `LABELS`.
        options: Its options.
        missing: Command that installs what it needs, if it cannot be imported; then all other fields are empty.
    """

    text: str = ""
    paragraphs: Mapping[str, str] | None = None
    options: tuple[ComponentOption, ...] = ()
    missing: str = ""


def component_details(spec: ComponentSpec) -> ComponentDetails:
    """Return what the documentation of a component says; its class is imported.

    Args:
        spec: Specification of the component.

    Example:
        >>> from polytask.registry import find
        >>> found = component_details(find("balancer", "cagrad"))
        >>> [(option.name, option.default) for option in found.options]
        [('c', '0.4'), ('rescale', '1')]
        >>> found.paragraphs["Fails"]
        'for c < 1 the direction may still oppose a task; near a Pareto-stationary point it changes rapidly.'
    """
    try:
        cls: Any = load_class(spec)
    except MissingExtraError as error:
        return ComponentDetails(missing=error.remedy or error.what)
    documented = inspect.getdoc(cls) or ""
    first = SECTIONS.search(documented)
    body = documented if first is None else documented[: first.start()]
    plain, labelled = [], {}
    for paragraph in re.split(r"\n\s*\n", body.strip("\n")):
        label, colon, text = paragraph.partition(":")
        if colon and label in LABELS:
            labelled[label] = " ".join(text.split())
        else:
            plain.append(paragraph)
    return ComponentDetails("\n\n".join(plain), labelled, _options(cls))


def _options(cls: Any) -> tuple[ComponentOption, ...]:  # noqa: ANN401 - a class of a component
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):  # options that a class inherits are documented there
        sections = re.findall(r"(?:^|\n)(?:Args|Attributes):\n((?: {4}.*(?:\n|$)|\n)*)", inspect.cleandoc(base.__doc__ or ""))
        texts |= {name: " ".join(text.split()) for name, text in OPTION.findall("".join(sections))}
    hidden = {*cls.component_context, *(GIVEN if is_dataclass(cls) else ())}
    return tuple(ComponentOption(name, default, texts.get(name, "")) for name, default in _defaults(cls).items() if name not in hidden)


def _defaults(cls: Any) -> dict[str, str]:  # noqa: ANN401 - a class of a component
    """Return the default of every argument of the constructor, as Python writes it."""
    if is_dataclass(cls):
        found = {}
        for own in (own for own in fields(cls) if own.init):
            made = own.default_factory() if own.default_factory is not MISSING else own.default
            found[own.name] = REQUIRED if made is MISSING else repr(made)
        return found
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name: REQUIRED if one.default is inspect.Parameter.empty else repr(one.default)
        for name, one in inspect.signature(cls).parameters.items()
        if one.kind not in variable
    }


def component_record(spec: ComponentSpec) -> dict[str, Any]:
    """Return specification and documentation of a component as plain data."""
    found = component_details(spec)
    labelled = {label.lower(): text for label, text in (found.paragraphs or {}).items()}
    return {
        **asdict(spec),
        "options": [asdict(option) for option in found.options],
        "description": found.text,
        **{label.lower(): labelled.get(label.lower(), "") for label in LABELS},
        "missing": found.missing,
    }
