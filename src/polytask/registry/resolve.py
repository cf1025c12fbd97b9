"""Resolve what users give for a component (a name, an import path, a class or an object) to the component."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.component import ADAPTERS, BASES, ComponentSpec, group_called
from polytask.registry.constructor_calls import WRAPPED, WRAPPER, Call, Component, call_of, named_options, spelled
from polytask.registry.function_paths import function_at
from polytask.registry.importing import check_importable, import_class, is_import_path, path_of
from polytask.registry.parsing import class_written, find_written, import_paths_in, options_of, parse_call, paths_in
from polytask.registry.registered import class_at, is_remembered, load_class, names, remember, remember_as, spec_of, specs_of, written_name
from polytask.registry.unknown_option import unknown_option_error


@dataclass(frozen=True)
class Resolved:
    """A component that has been resolved.

    Attributes:
        spec: Specification of the component.
        cls: Class of the component.
        options: Arguments that the user has given, by name.
        object: The object, if the user has given an object; otherwise None.
        inner: The wrapped balancer, if the component is a wrapper that has been given one; otherwise None.
    """

    spec: ComponentSpec
    cls: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    object: Any = None
    inner: Resolved | None = None

    @property
    def name(self) -> str:
        """Registry name, or import path if there is none; names of wrappers and of the wrapped balancer are joined by colons."""
        return self._own_name if self.inner is None else f"{self._own_name}:{self.inner.name}"

    @property
    def innermost(self) -> Resolved:
        """The component within all wrappers, or this component if it is not a wrapper."""
        return self if self.inner is None else self.inner.innermost

    @property
    def nested(self) -> dict[str, Any]:
        """The options, with those of a wrapped balancer as the option `balancer`."""
        inside = {} if self.inner is None else self.inner.nested
        return {**self.options, WRAPPED: inside} if inside else dict(self.options)

    @property
    def text(self) -> str:
        """The component as users write it, in a form that another process can resolve.

        Raises:
            ConfigError: The class cannot be imported, or an argument is not plain data.
        """
        where = f"{self.spec.group} {self._own_name!r}"
        check_importable(self.spec.target, where)
        own = spelled(Call(self.spec.target, (), self.options, cls=self.cls))
        return own if self.inner is None else f"{own}:{self.inner.text}"

    def build(self, *context: Any, **told: Any) -> Any:  # noqa: ANN401
        """Create a new object from the options.

        Args:
            *context: Positional arguments that the caller supplies, such as the shape of the inputs.
            **told: Keyword arguments that the caller supplies; the options take precedence over these.

        Raises:
            ConfigError: The class does not accept the options.
        """
        options = {name: _made(value) for name, value in self.options.items()}
        context = context if self.inner is None else (self.inner.build(), *context)
        try:
            return self.cls(*context, **{**told, **options})
        except TypeError as error:
            own = (*getattr(self.cls, "component_context", ()), *told)
            raise unknown_option_error(self.cls, self.options, f"{self.spec.group} {self._own_name!r}", error, own=own) from None

    @property
    def _own_name(self) -> str:
        return written_name(self.spec)


def resolve(group: str, given: Any, *, where: str = "", imports: bool = True, components: Collection[type] = ()) -> Resolved:  # noqa: ANN401
    """Resolve a component that a user has named, or given as a class or an object.

    Args:
        group: Group of the component, one of `polytask.registry.component.GROUPS`; hyphens may stand for spaces.
        given: A name with options, `cagrad(c=0.4)`; an import path with options, `mypkg.mod:Mine(c=0.4)`; a class; an object; or a
            component that is resolved already.
        where: Argument that the component was given for, named in error messages; by default the group.
        imports: Whether import paths may be followed. Disable this for text from files that the user may not have written.
        components: Classes that may be named by their import path even if `imports` is false, or by their name if it is not registered.

    Raises:
        ConfigError: A group or name is unknown (the message suggests the nearest), an import path is forbidden, the class does not accept
            the options, or the component belongs to another group.

    Example:
        >>> found = resolve("balancer", "smooth-weights(decay=0.5):CAGrad(c=0.4)")
        >>> found.name, found.text, found.build is not None
        ('smooth-weights:cagrad', 'smooth-weights(decay=0.5):cagrad(c=0.4)', True)
    """
    group = group_called(group)
    if isinstance(given, Resolved):
        return given
    given = as_component(group, given)
    if isinstance(given, str):
        call = parse_call(given)
        if not imports:
            check_paths(paths_in(call), components, where or group)
        elif group in ADAPTERS and is_import_path(call.name) and call.name in paths_in(call) and not is_remembered(call.name):
            as_component(group, function_at(call.name, where or group))
        return _of_call(group, call, where, components)
    if isinstance(given, type) and issubclass(given, _base(group)):
        _check_concrete(given, where or group)
        remember(given)
        return Resolved(spec_of(given, group), given)
    if isinstance(given, _base(group)):
        remember(type(given))
        found = _of_call(group, call_of(given), where)
        return Resolved(found.spec, found.cls, found.options, given, found.inner)
    raise ConfigError(f"{_a(group)} is needed", where=where or group, found=described(given), remedy=_remedy(group, given))


def as_component(group: str, given: Any) -> Any:  # noqa: ANN401
    """Return the component that a function or a PyTorch module class becomes in groups that adapt them; everything else unchanged.

    Raises:
        ConfigError: The import path of a function has the form of a name, as its module is in no package.
    """
    is_module = isinstance(given, type) and hasattr(given, "named_parameters") and not issubclass(given, Component)
    if group not in ADAPTERS or not (inspect.isfunction(given) or is_module):
        return given
    path = path_of(given)
    if not is_import_path(path):
        remedy = "Move it into a package, package.module:name, or write a class"
        raise ConfigError("the function has no import path that names can be told from", where=group, found=path, remedy=remedy)
    return remember_as(path, import_class(ADAPTERS[group], group).of(given))


def group_of(given: Any, groups: Sequence[str], where: str = "") -> str:  # noqa: ANN401
    """Return which of several groups a component belongs to that may be given in one place; the first if it belongs to none.

    Args:
        given: Name or import path with its options, class or object.
        groups: Groups to search.
        where: Argument that the component was given for, named in error messages.

    Raises:
        ConfigError: The text cannot be parsed, or the class of an import path cannot be imported.

    Example:
        >>> group_of("trees", ("balancer", "baseline")), group_of("cagrad(c=0.4)", ("balancer", "baseline"))
        ('baseline', 'balancer')
    """
    groups = [group_called(group) for group in groups]
    cls = given if isinstance(given, type) else type(given)
    if isinstance(given, str):
        name = parse_call(given).name
        for group in groups:
            if any(name in (spec.name, spec.target, spec.target.rpartition(":")[2]) for spec in specs_of(group)):
                return group
        if not is_import_path(name):
            return groups[0]
        cls = class_at(name, where or name)
    return next((group for group in groups if issubclass(cls, _base(group))), groups[0])


def written(group: str, given: Any, where: str = "") -> str:  # noqa: ANN401
    """Return a component as text for a file, from which another process can create it. Text is checked and returned unchanged.

    Raises:
        ConfigError: `resolve` fails, the class cannot be imported, or an argument is not plain data.

    Example:
        >>> from polytask.balancing import CAGrad
        >>> written("balancer", CAGrad(c=0.3)), written("balancer", CAGrad), written("balancer", "cagrad(c=0.3)")
        ('cagrad(c=0.3)', 'cagrad', 'cagrad(c=0.3)')
    """
    text = resolve(group, given, where=where).text
    return given if isinstance(given, str) else text


def classes_in(*texts: str) -> tuple[type, ...]:
    """Return the classes that the texts of components name by import paths.

    Raises:
        ConfigError: A class cannot be imported.
    """
    return tuple(class_at(path, path) for text in texts for path in import_paths_in(text))


def given_components(components: Any) -> tuple[Callable[..., Any], ...]:  # noqa: ANN401 - the argument of a user
    """Return the classes of components that a user has given as classes or objects, and functions and classes that make networks.

    Raises:
        ConfigError: It is no list of these; an import path is no component here.

    Example:
        >>> from polytask.encoders import MLP
        >>> [cls.__name__ for cls in given_components([MLP, MLP((3,))])]
        ['MLP', 'MLP']
    """
    given = components if isinstance(components, list | tuple | set | frozenset) else [components]
    found: list[Callable[..., Any]] = []
    for one in given:
        cls = one if isinstance(one, type) else type(one)
        makes_networks = inspect.isfunction(one) or (cls is one and hasattr(one, "named_parameters"))
        if not makes_networks and not issubclass(cls, Component):
            what, remedy = "a list of classes or objects of components is needed", "Import your classes and give them: components=[Mine]"
            raise ConfigError(what, where="components", found=described(one), remedy=remedy)
        found.append(one if makes_networks else cls)
    return tuple(found)


def check_given(texts: Sequence[str], components: Collection[Callable[..., Any]], where: str) -> None:
    """Reject texts of components from a file if they name classes by import paths and the caller has not given these classes.

    Raises:
        ConfigError: Classes are missing; the message names all of them and what to give.
    """
    check_paths([path for text in texts for path in import_paths_in(text)], components, where)


def check_paths(paths: Sequence[str], components: Collection[Callable[..., Any]], where: str) -> None:
    """Reject import paths from a file that name neither a class nor a function among these.

    Raises:
        ConfigError: Some are missing; the message names all of them and what to give.
    """
    given = [path_of(cls) for cls in components]
    missing = [path for path in dict.fromkeys(paths) if path not in given]
    if missing:
        classes = ", ".join(path.rpartition(":")[2] for path in missing)
        options = " ".join(f"--component {path}" for path in missing)
        remedy = f"If you trust it, give what it needs: components=[{classes}] in Python, {options} on the command line"
        found = ", ".join(missing)
        raise ConfigError("import paths that a file names are not followed", where=where, found=found, remedy=remedy)


def _of_call(group: str, call: Call, where: str, components: Collection[type] = ()) -> Resolved:
    if group == "balancer" and _wraps(call):
        group = WRAPPER
    spec, cls = _found(group, call, where, components)
    if not issubclass(cls, _base(group)):
        raise ConfigError(f"{_a(group)} is needed", where=where or group, found=described(cls), remedy=_remedy(group, cls))
    _check_concrete(cls, where or group)
    options = named_options(call) if call.cls is not None else options_of(call, spec)
    inner = options.pop(WRAPPED, None) if group == WRAPPER else None
    parameters = inspect.signature(cls).parameters
    if not parameters.keys() >= options.keys() and not any(own.kind is own.VAR_KEYWORD for own in parameters.values()):
        own = getattr(cls, "component_context", ())
        raise unknown_option_error(cls, options, f"{group} {call.name!r}", TypeError(), own=(*own, WRAPPED) if group == WRAPPER else own)
    nested = _of_call("balancer", inner, where, components) if isinstance(inner, Call) else None
    return Resolved(spec, cls, options, None, nested)


def _found(group: str, call: Call, where: str, components: Collection[type]) -> tuple[ComponentSpec, Any]:
    """Return the specification and the class that a call names."""
    if call.cls is not None:
        return spec_of(call.cls, group), call.cls
    taken = call.name in names(group)
    for cls in components:
        if issubclass(cls, _base(group)) and (call.name == path_of(cls) or (not taken and call.name == spec_of(cls, group).name)):
            return spec_of(cls, group), cls
    registered, name = find_written(group, call.name, where)
    cls = class_at(name, where or group) if registered is None else load_class(registered)
    return spec_of(cls, group), cls


def _wraps(call: Call) -> bool:
    if call.cls is not None:
        return issubclass(call.cls, _base(WRAPPER))
    return WRAPPED in call.options or any(isinstance(value, Call) for value in call.arguments[:1])


def _base(group: str) -> Any:  # noqa: ANN401 - base class of the group
    return import_class(BASES[group], group)


def _made(value: Any) -> Any:  # noqa: ANN401
    """Return the value of an option with an object for each component in it."""
    if isinstance(value, list | tuple):
        return type(value)(map(_made, value))
    if isinstance(value, Mapping):
        return {name: _made(inner) for name, inner in value.items()}
    if not isinstance(value, Call):
        return value
    cls: Any = value.cls or class_written(value.name)
    return _of_call(cls.component_group, replace(value, cls=cls), value.name).build()


def _check_concrete(cls: Any, where: str) -> None:  # noqa: ANN401
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise ConfigError("the class is abstract", where=where, found=described(cls), remedy=f"Define {missing}")


def described(value: Any) -> str:  # noqa: ANN401
    """Return a short description of a value for an error message.

    Example:
        >>> from polytask.encoders import MLP
        >>> described(MLP((2,))), described(MLP), described(3)
        ('an encoder, MLP', 'the class MLP, an encoder', '3')
    """
    cls = value if isinstance(value, type) else type(value)
    group = getattr(cls, "component_group", "") if issubclass(cls, Component) else ""
    if isinstance(value, type):
        return f"the class {cls.__name__}" + (f", {_a(group)}" if group else "")
    if group:
        return f"{_a(group)}, {cls.__name__}"
    if inspect.ismodule(value):
        return f"the module {value.__name__}"
    if hasattr(value, "named_parameters"):
        return f"the PyTorch module {cls.__name__}"
    return f"{cls.__name__} object" if len(repr(value)) > 40 else repr(value)


def _a(group: str) -> str:
    return f"{'an' if group[:1] in 'aeiou' else 'a'} {group}"


def _remedy(group: str, given: Any) -> str:  # noqa: ANN401
    if group == "encoder" and hasattr(given, "state_dict") and not isinstance(given, type | Component):
        return (
            "Give its class, or a function that makes it, as every network is a new one; or wrap it for fit: ModuleEncoder(module, shape)"
        )
    base = BASES[group].rpartition(":")[2]
    return f"Give a registry name, an import path, or a class or an object that derives from {base}"
