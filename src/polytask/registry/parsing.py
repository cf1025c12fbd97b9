"""Parse components as users write them: `cagrad(c=0.4)`, `smooth-weights(decay=0.5):cagrad(c=0.4)`, `mypkg.mod:Mine(k=3)`."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from polytask.errors import ConfigError
from polytask.registry.component import ComponentSpec, group_called
from polytask.registry.constructor_calls import WRAPPED, WRAPPER, Call, named_options
from polytask.registry.importing import is_import_path, path_of
from polytask.registry.registered import all_specs, class_at, load_class, names, specs_of
from polytask.registry.suggestion import nearest

EXAMPLE = "For example cagrad(c=0.4), or smooth-weights:upgrad"
OPENING, CLOSING, QUOTES = "([{", ")]}", "'\""
TORCHJD = "torchjd."
"""Prefix of classes of TorchJD: `torchjd.PCD(tau=0.1)` means `torchjd(wrapped=PCD, tau=0.1)`."""
_SEGMENT = re.compile(r"\s*([^()\s]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_NESTED = re.compile(r"(?:[A-Za-z_][\w.]*:)?[A-Z]\w*\(.*\)", re.DOTALL)


def parse_call(text: str) -> Call:
    """Parse a component with its options. A component after a colon becomes the first argument of the wrapper before the colon.

    Raises:
        ConfigError: The text does not have this form, or an option cannot be parsed.

    Example:
        >>> parse_call("smooth-weights(decay=0.5):cagrad(c=0.4)")
        Call(name='smooth-weights', arguments=(Call(name='cagrad', arguments=(), options={'c': 0.4}),), options={'decay': 0.5})
        >>> parse_call("mypkg.mod:Mine(widths=[8, 16])")
        Call(name='mypkg.mod:Mine', arguments=(), options={'widths': [8, 16]})
        >>> parse_call("multilabel(separator=,, metric=accuracy)").options
        {'separator': ',', 'metric': 'accuracy'}
    """
    *wrappers, last = [_segment(part, text) for part in _chain(text)]
    for wrapper in reversed(wrappers):
        last = Call(wrapper.name, (last, *wrapper.arguments), wrapper.options)
    return last


def parse_balancer(text: str) -> tuple[str, dict[str, Any]]:
    """Parse a balancer, with the wrappers around it, into its name and its options.

    Args:
        text: Balancer as the user writes it: wrappers from the outermost inward, then the balancer, separated by colons, each with its
            options in parentheses.

    Returns:
        The names joined by colons, and the options of the outermost component. The options of a wrapped balancer are the option
        `balancer` of its wrapper.

    Raises:
        ConfigError: A name is unknown (the message suggests the nearest), or an option cannot be parsed.

    Example:
        >>> parse_balancer("smooth-weights(decay=0.5):cagrad(c=0.4, rescale=0)")
        ('smooth-weights:cagrad', {'decay': 0.5, 'balancer': {'c': 0.4, 'rescale': 0}})
    """
    return _balancer(parse_call(text))


def _balancer(call: Call) -> tuple[str, dict[str, Any]]:
    wraps = WRAPPED in call.options or any(isinstance(value, Call) for value in call.arguments[:1])
    spec, name = find_written(WRAPPER if wraps else "balancer", call.name)
    options = options_of(call, spec)
    inner = options.pop(WRAPPED, None) if wraps else None
    if not isinstance(inner, Call):
        return name, options
    inside, its = _balancer(inner)
    return f"{name}:{inside}", {**options, WRAPPED: its} if its else options


def parse_component(group: str, text: str) -> tuple[str, dict[str, Any]]:
    """Parse a component of any group that has no wrappers into its name and its options.

    Raises:
        ConfigError: The name is unknown (the message suggests the nearest), or an option cannot be parsed.

    Example:
        >>> parse_component("architecture", "mmoe(experts=8)"), parse_component("architecture", "MMoE(experts=8)")
        (('mmoe', {'experts': 8}), ('mmoe', {'experts': 8}))
    """
    call = parse_call(text)
    spec, name = find_written(group, call.name)
    return name, options_of(call, spec)


def parse_options(text: str) -> dict[str, Any]:
    """Return the options in the parentheses after a name, whatever the name is.

    Example:
        >>> parse_options("encoder(channels=[8, 16])")
        {'channels': [8, 16]}
    """
    return dict(_segment(text, text).options)


def find_written(group: str, name: str, where: str = "") -> tuple[ComponentSpec | None, str]:
    """Return the specification of the component with a registry name, class name or import path, and its registry name.

    An import path of no registered component has no specification: the result is `None` and the path itself.

    Args:
        group: Group to search, one of `polytask.registry.component.GROUPS`; hyphens may stand for spaces.
        name: Registry name, class name or import path.
        where: Location that an error message names; by default the name.

    Raises:
        ConfigError: There is no such component (the message suggests the nearest), or a balancer is needed and a wrapper was named.
    """
    group = group_called(group)
    specs = specs_of(group)
    for spec in specs:
        if name in (spec.name, spec.target):
            return spec, spec.name
    if is_import_path(name):
        return None, name
    for spec in specs:
        if name == spec.target.rpartition(":")[2]:
            return spec, spec.name
    if group == "balancer" and any(name in (spec.name, spec.target.rpartition(":")[2]) for spec in specs_of(WRAPPER)):
        raise ConfigError("a wrapper needs a balancer to wrap", where=f"balancer {name!r}", remedy=f"For example {name}:equal")
    known = names(group)
    remedy = f"{nearest(name, known)}; write your own class as package.module:Name" if name[:1].isupper() else nearest(name, known)
    raise ConfigError(f"unknown {group}", where=where or name, found=repr(name) if where else None, remedy=remedy)


def options_of(call: Call, spec: ComponentSpec | None) -> dict[str, Any]:
    """Return the arguments of a parsed call by name. The class is imported only if there are positional arguments."""
    if not call.arguments:
        return dict(call.options)
    if spec is not None and spec.group == WRAPPER and len(call.arguments) == 1:
        return {WRAPPED: call.arguments[0], **call.options}
    cls = class_at(call.name, call.name) if spec is None else load_class(spec)
    return named_options(Call(path_of(cls), call.arguments, call.options, cls))


def chain_of(name: str) -> list[str]:
    """Split names joined by colons into the names of the wrappers and of the balancer.

    Example:
        >>> chain_of("smooth-weights:mypkg.mod:Mine")
        ['smooth-weights', 'mypkg.mod:Mine']
    """
    return [part.strip() for part in _chain(name)]


def class_written(name: str) -> Any:  # noqa: ANN401 - a component's class
    """Return the class with a class name or an import path, whatever its group.

    Raises:
        ConfigError: There is no such class.
    """
    if is_import_path(name):
        return class_at(name, name)
    for spec in all_specs():
        if name == spec.target.rpartition(":")[2]:
            return load_class(spec)
    known = tuple(spec.target.rpartition(":")[2] for spec in all_specs())
    raise ConfigError("unknown component", where=name, remedy=f"{nearest(name, known)}; write your own class as package.module:Name")


def import_paths_in(text: str) -> tuple[str, ...]:
    """Return the import paths in the text of a component, except those of registered components.

    Example:
        >>> import_paths_in("smooth-weights:mypkg.mod:Mine(other=mypkg.mod:Other())"), import_paths_in("cagrad(c=0.4)")
        (('mypkg.mod:Other', 'mypkg.mod:Mine'), ())
    """
    return paths_in(parse_call(text))


def paths_in(call: Call) -> tuple[str, ...]:
    """Return the import paths in a call, except those of registered components."""
    known = {spec.target for spec in all_specs()}
    return tuple(dict.fromkeys(name for name in _names_in(call) if is_import_path(name) and name not in known))


def _names_in(value: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, Call):
        yield from _names_in([*value.arguments, *value.options.values()])
        yield value.name
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names_in(inner)
    elif isinstance(value, Mapping):
        yield from _names_in(list(value.values()))


def split_outside(text: str, separator: str = ",") -> list[str]:
    """Split a text at the separators outside brackets and quotes, and strip each part.

    Example:
        >>> split_outside("single, cagrad(c=0.4, rescale=0), equal")
        ['single', 'cagrad(c=0.4, rescale=0)', 'equal']
    """
    return [part.strip() for part in _split(text, separator)]


def _split(text: str, separator: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in QUOTES and parts[-1].rstrip()[-1:] in ("", *"=,:([{"):
            quote = letter  # only where a value can begin: an apostrophe within a word opens no quote
        depth = max(0, depth + (not quote) * ((letter in OPENING) - (letter in CLOSING)))
        is_value = letter == "," and parts[-1].rstrip().endswith("=")  # no value is empty, so that a comma there is one
        if letter == separator and not depth and not quote and not is_value:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _chain(text: str) -> list[str]:
    """Split at colons, except those between a module and a name in it."""
    parts, found = _split(text, ":"), []
    wrappers = names(WRAPPER)
    while parts:
        part = parts.pop(0)
        following = parts[0].partition("(")[0].strip() if parts else ""
        if part.strip() not in wrappers and is_import_path(f"{part.strip()}:{following}"):
            part = f"{part.strip()}:{parts.pop(0).strip()}"
        found.append(part)
    return found


def _segment(part: str, text: str) -> Call:
    found = _SEGMENT.fullmatch(part)
    if found is None:
        raise ConfigError("a component must be a name, optionally with options in parentheses", where=text, remedy=EXAMPLE)
    name, inside = found.groups()
    arguments: list[Any] = []
    options: dict[str, Any] = {}
    if name.startswith(TORCHJD):
        name, options["wrapped"] = TORCHJD[:-1], name.removeprefix(TORCHJD)
    in_python = name[:1].isupper() or ":" in name
    for pair in _split(inside, ",") if inside and inside.strip() else ():
        option, value = _option(pair, text, nameless=in_python and not options)
        if option:
            options[option] = value
        else:
            arguments.append(value)
    return Call(name, tuple(arguments), options)


def _option(pair: str, text: str, *, nameless: bool) -> tuple[str, Any]:
    found = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*=(.*)", pair, re.DOTALL)
    if found is None and not nameless:
        raise ConfigError("an option must have the form name=value", where=text, found=pair.strip(), remedy=EXAMPLE)
    name, value = found.groups() if found else ("", pair)
    try:
        return name, parse_value(value)
    except (yaml.YAMLError, ValueError):  # YAML raises ValueError for an impossible date, such as one in a thirteenth month
        raise ConfigError("the value of an option cannot be parsed", where=text, found=pair.strip(), remedy=EXAMPLE) from None


def parse_value(text: str) -> Any:  # noqa: ANN401
    """Parse the value of an option: a number, a component as Python code, a Python literal, or anything else as YAML.

    Example:
        >>> parse_value("1e-3"), parse_value("(8, 16)"), parse_value("[low, high]"), parse_value("{a: 0.5}")
        (0.001, (8, 16), ['low', 'high'], {'a': 0.5})
    """
    text = text.strip()
    with contextlib.suppress(ValueError):
        number = float(text)  # YAML reads 1e-3 as a string
        return int(number) if text.lstrip("+-").isdecimal() else number
    if text == ",":
        return text
    if _NESTED.fullmatch(text):
        return parse_call(text)
    if re.fullmatch(r"<[\w.:]+>", text):
        raise ValueError("the mark of an object that is not plain data, such as a function")
    if text == "None" or (text[:1] in QUOTES and text[:1]):
        with contextlib.suppress(ValueError, SyntaxError):
            return ast.literal_eval(text)
    inside = text[1:-1]
    if text.startswith("[") and text.endswith("]"):
        return [parse_value(item) for item in _items(inside)]
    if text.startswith("(") and text.endswith(")"):
        return tuple(parse_value(item) for item in _items(inside))
    if text.startswith("{") and text.endswith("}"):
        return dict(_entry(item) for item in _items(inside))
    return yaml.safe_load(text)


def _items(inside: str) -> list[str]:
    """Split the inside of a list into its items; a trailing comma is allowed."""
    *items, last = _split(inside, ",")
    return [*items, last] if last.strip() else items


def _entry(item: str) -> tuple[Any, Any]:
    *key, value = _split(item, ":")
    return (parse_value(":".join(key)), parse_value(value)) if key else (parse_value(value), None)
