"""Constructor calls of components as data, with their Python form and the form that users write.

Every component object records its constructor call. `repr` is that call in Python, `CAGrad(c=0.4)`; `str` is the user's form,
`cagrad(c=0.4)`. The resolver reads both.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import wraps
from numbers import Integral, Real
from typing import Any, ClassVar

import yaml

from polytask.errors import ConfigError
from polytask.registry.argument_type_checks import ArgumentTypes
from polytask.registry.importing import path_of
from polytask.registry.registered import all_specs, spec_of, written_name

WRAPPED = "balancer"
"""Name of the argument of a balancer wrapper that holds the wrapped balancer."""
WRAPPER = "balancer wrapper"


@dataclass(frozen=True)
class Call:
    """Constructor call of a component.

    Attributes:
        name: Registry name, class name, or import path `package.module:Name`.
        arguments: Positional arguments. A component among them is stored as its own `Call`.
        options: Keyword arguments.
        cls: The class, or None if it is not known.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    cls: type | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """Return the call as Python code."""
        given = [*map(python_text, self.arguments), *(f"{name}={python_text(value)}" for name, value in self.options.items())]
        return f"{re.split('[:.]', self.name)[-1]}({', '.join(given)})"


@dataclass(frozen=True)
class Opaque:
    """Placeholder for an argument that is not plain data, such as a module, an array or a function.

    Attributes:
        kind: Name of the argument's type; for a class, its own name.
    """

    kind: str

    def __str__(self) -> str:
        return f"<{self.kind}>"


class Component:
    """Base class of components, whose objects record the constructor call that made them.

    Arguments are recorded as plain data at the time of the call; the record neither keeps other objects alive nor copies them.
    """

    component_group: ClassVar[str] = ""
    """Registry group of the subclasses."""
    component_context: ClassVar[tuple[str, ...]] = ()
    """Arguments that are supplied where the component is used, such as the shape of the inputs; the user's form omits them."""
    spec: ClassVar[Any]
    """Optional `ComponentSpec` of a user's class."""

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - whatever other bases take
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _recorded(vars(cls)["__init__"])  # type: ignore[method-assign]
        if "__repr__" not in vars(cls):
            cls.__repr__ = cls.__repr__  # type: ignore[method-assign] # or `@dataclass` would add its own `__repr__`

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields of a dataclass whose values differ from their defaults, as its generated constructor records no call."""
        changed: dict[str, Any] = {}
        data: Any = self
        for own in fields(data) if is_dataclass(data) else ():
            value = getattr(self, own.name)
            default = own.default_factory() if own.default_factory is not MISSING else own.default
            if own.init and (type(value) is not type(default) or value != default):
                changed[own.name] = value
        return changed

    def __repr__(self) -> str:
        return str(call_of(self))

    def __str__(self) -> str:
        try:
            return spelled(call_of(self))
        except ConfigError:
            return repr(self)


def _recorded(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap a constructor so that it first checks the types of its arguments and records them.

    Only the outermost call is recorded, not the calls of base class constructors within it.
    """
    types = ArgumentTypes(init)

    @wraps(init)
    def recorded(self: Any, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        if "_made_with" not in vars(self):
            types.check(type(self), arguments, options)
            # Modules and frozen dataclasses override __setattr__.
            object.__setattr__(self, "_made_with", (_plain(arguments), _plain(options)))
        init(self, *arguments, **options)

    return recorded


def call_of(component: Component) -> Call:
    """Return the constructor call that made a component; for a dataclass, with the values that differ from the defaults.

    Example:
        >>> class Half(Component):
        ...     def __init__(self, of: float, digits: int = 2) -> None: ...
        >>> call_of(Half(0.5, digits=3)).arguments, call_of(Half(0.5, digits=3)).options
        ((0.5,), {'digits': 3})
        >>> Half(0.5, digits=3)
        Half(0.5, digits=3)
    """
    cls = type(component)
    made_with = vars(component).get("_made_with")
    if made_with is not None:
        arguments, options = made_with
        order = [*inspect.signature(cls).parameters]
        given = sorted(options.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))
        return Call(path_of(cls), arguments, dict(given), cls=cls)
    return Call(path_of(cls), (), {name: _plain(value) for name, value in component.changed_fields().items()}, cls=cls)


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return a copy of a value as plain data, with a `Call` for each component and an `Opaque` for anything else."""
    if isinstance(value, Component):
        return call_of(value)
    if value is None or isinstance(value, bool | str | Call | Opaque):
        return value
    if isinstance(value, tuple | list):
        items = [_plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return Opaque(value.__name__ if isinstance(value, type) else type(value).__name__)


def python_text(value: Any) -> str:  # noqa: ANN401
    """Return a value as Python code.

    Example:
        >>> python_text({"a": [1.0, Call("mypkg.mod:Mine", (), {"b": None})]})
        "{'a': [1.0, Mine(b=None)]}"
    """
    if isinstance(value, list):
        return f"[{', '.join(map(python_text, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(python_text, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {python_text(item)}' for key, item in value.items())}}}"
    return str(value) if isinstance(value, Call | Opaque) else repr(value)


def spelled(call: Call) -> str:
    """Return a call as users write it, e.g. `smooth-weights(decay=0.5):cagrad(c=0.4)`.

    Args:
        call: Call of a component whose class is known.

    Raises:
        ConfigError: An argument is not plain data.

    Example:
        >>> from polytask.balancing import CAGrad
        >>> spelled(call_of(CAGrad(c=0.3)))
        'cagrad(c=0.3)'
    """
    options = named_options(call)
    cls: Any = call.cls
    inner = options.pop(WRAPPED, None) if cls.component_group == WRAPPER else None
    own = spelled_as(written_name(spec_of(cls, cls.component_group)), options)
    return own if inner is None else f"{own}:{spelled(inner)}"


def spelled_as(name: str, options: Mapping[str, Any]) -> str:
    """Return a name with options as users write them.

    Example:
        >>> spelled_as("task-graph", {"edges": [["click", "buy"]]})
        'task-graph(edges=[[click, buy]])'
    """
    given = ", ".join(f"{option}={_spelled_value(value, f'{name}, {option}')}" for option, value in options.items())
    return f"{name}({given})" if given else name


def named_options(call: Call) -> dict[str, Any]:
    """Return all arguments of a call by name, except the context arguments, which are supplied where the component is used.

    Args:
        call: Call of a component whose class is known.

    Raises:
        ConfigError: The arguments do not fit the signature of the class.
    """
    cls: Any = call.cls
    context = getattr(cls, "component_context", ())
    try:
        bound = inspect.signature(cls).bind_partial(*call.arguments, **call.options).arguments
    except TypeError as error:
        raise ConfigError("these arguments do not fit", where=str(call), found=error) from None
    found: dict[str, Any] = {}
    for name, value in bound.items():
        kind = inspect.signature(cls).parameters[name].kind
        found.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    return {name: value for name, value in found.items() if name not in context}


def _spelled_value(value: Any, where: str) -> str:  # noqa: ANN401
    if isinstance(value, Opaque):
        remedy = "Write a class that creates this object itself, and name that class by its import path"
        raise ConfigError("only numbers, texts, lists and mappings can be stored", where=where, found=value, remedy=remedy)
    if isinstance(value, Call):
        return _nested(value, where)
    if isinstance(value, list | tuple):
        inside = ", ".join(_spelled_value(item, where) for item in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_spelled_value(key, where)}: {_spelled_value(item, where)}' for key, item in value.items())}}}"
    if isinstance(value, str):
        return value if _reads_as_itself(value) else repr(value)
    return repr(value)


def _nested(call: Call, where: str) -> str:
    """Return a component within the options of another as Python code; a class without a registry name has its import path."""
    options = {name: _spelled_value(value, where) for name, value in named_options(call).items()}
    path = path_of(call.cls) if call.cls is not None else call.name
    known = any(spec.target == path for spec in all_specs())
    name = re.split("[:.]", path)[-1] if known else path
    return f"{name}({', '.join(f'{option}={value}' for option, value in options.items())})"


def _reads_as_itself(text: str) -> bool:
    """Return whether a text needs no quotes: it is a word that YAML does not read as a number, a Boolean or null."""
    if not re.fullmatch(r"[A-Za-z_][\w-]*(\.[\w-]+)*", text) or text.lower() in ("none", "true", "false", "nan", "inf", "infinity"):
        return False
    return isinstance(yaml.safe_load(text), str)
