"""Generate a command from an option model: one option per field, in panels, with defaults and examples in the help text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from polytask.cli.build_config import merged
from polytask.cli.import_options import AllowImports, ImportPaths
from polytask.cli.run_output import Overwrite, Quiet, Resume, RunOutput, resolved_run
from polytask.cli.table_source import KIND
from polytask.errors import ConfigError
from polytask.options import NetworkConfig, fields_of
from polytask.options.base import OptionField
from polytask.options.option_sections import TABLE, TRAINING, option_sections
from polytask.options.verdict_options.verdict_config import KIND_OPTION
from polytask.registry.parsing import split_outside

Body = Callable[[dict[str, Any], RunOutput], None]
"""Function that runs a command, given the merged configuration and where to write the run."""

Offered = tuple[str, OptionField]
"""A section and one of its fields; the section of the command's own fields is the empty string."""


def generated_command(config: type[NetworkConfig], body: Body, folder: str) -> Callable[..., None]:
    """Return a function for Typer whose options are the fields of an option model.

    Args:
        config: Option model of the command.
        body: Function that runs the command; its docstring becomes the help text.
        folder: Default of `--out` for the help text.
    """

    def start(sections: dict[str, dict[str, Any]], given: Mapping[str, Any]) -> None:
        source, output = resolved_run(given["source"], given["resume"], RunOutput(given["out"], given["overwrite"], given["quiet"]))
        body(merged(source, sections, given["assign"] or (), imports=given["allow_imports"]), output)

    parameters = [*_before(folder), *option_parameters(offered_fields(config)), *_after()]
    return command_with(parameters, tuple(offered_fields(config)), start, body)


def command_with(
    parameters: Sequence[inspect.Parameter],
    offered: Sequence[Offered],
    start: Callable[[dict[str, dict[str, Any]], Mapping[str, Any]], None],
    described: Callable[..., None],
) -> Callable[..., None]:
    """Return a function for Typer that collects the values of options by section.

    Args:
        parameters: All parameters of the command, in the order of its help text.
        offered: Fields among them.
        start: Function that gets the values of the fields by section, and the values of all parameters by name.
        described: Function whose name and docstring become those of the command.
    """

    def run(**given: Any) -> None:  # noqa: ANN401 - values of every option
        """Sort the option values into the sections of the configuration, and run the command."""
        sections: dict[str, dict[str, Any]] = {"": {}, TRAINING: {}, TABLE: {}}
        for section, field in offered:
            if (value := given[f"{section}_{field.name}"]) is not None and value != []:
                sections[section][field.name] = _read(field, value)
        start(sections, given)

    run.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__name__, run.__doc__ = described.__name__, described.__doc__
    return run


def option_parameters(offered: Iterable[Offered]) -> Iterator[inspect.Parameter]:
    """Yield a parameter per field."""
    yield from (_parameter(section, field) for section, field in offered)


def offered_fields(config: type[NetworkConfig]) -> Iterator[Offered]:
    """Yield the fields that a command offers as options, each after its section: table options, its own, then training options."""
    for section, model in option_sections(config).items():
        yield from ((section, field) for field in fields_of(model) if not field.flag.hidden)
        yield from [(TABLE, KIND)] if section == TABLE else []


def takes_several_words(field: OptionField) -> bool:
    """Return whether an option takes any number of values, as in `--targets churn value`."""
    return field.name == "targets" or (get_origin(_plain(field)) is tuple and not field.flag.separator and not field.flag.counted)


def _plain(field: OptionField) -> Any:  # noqa: ANN401 - a type
    """Return the type of a field without `None` and without validators."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
    plain = kinds[0] if type(None) in get_args(field.annotation) and len(kinds) == 1 else field.annotation
    return get_args(plain)[0] if get_origin(plain) is Annotated else plain


def _is_mapping(field: OptionField) -> bool:
    return get_origin(_plain(field)) in (dict, Mapping) and field.name != "targets"


def _typed(field: OptionField) -> Any:  # noqa: ANN401 - a type
    """Return the type that Typer gives an option."""
    plain = _plain(field)
    if takes_several_words(field) or _is_mapping(field):
        return list[str]
    if field.flag.counted:
        return int
    return str if field.flag.separator or get_origin(plain) is Literal else plain


def _read(field: OptionField, value: Any) -> Any:  # noqa: ANN401 - as Typer gives it
    """Convert the value of an option into a value of its field.

    Raises:
        ConfigError: A pair is not of the form `name=value`, or a name is given twice.
    """
    if _is_mapping(field):
        return _pairs(field, value)
    if isinstance(value, str) and field.flag.separator:
        return [part for part in split_outside(value) if part]
    return list(value) if isinstance(value, list) else value


def _pairs(field: OptionField, texts: list[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=") if field.flag.name == KIND_OPTION else text.rpartition("=")
        option = field.flag.option(field.name)
        if not equals or not name or not value:
            raise ConfigError("a pair name=value is needed", where=option, found=repr(text), remedy=f"For example {field.flag.example}")
        if name in pairs:
            raise ConfigError("a name must be given once", where=option, found=f"{name!r} twice")
        pairs[name] = value
    return pairs


def _parameter(section: str, field: OptionField) -> inspect.Parameter:
    option, plain = field.flag.option(field.name), _plain(field)
    names = [f"{option}/--no-{option[2:]}"] if plain is bool else [option, *([f"-{field.flag.short}"] if field.flag.short else [])]
    metavar = "|".join(map(str, get_args(plain))) if get_origin(plain) is Literal else None
    parameter = typer.Option(*names, help=_help(field), rich_help_panel=field.flag.panel, metavar=metavar, show_default=False)
    return keyword(f"{section}_{field.name}", Annotated[_typed(field) | None, parameter], None)


def _help(field: OptionField) -> str:
    """Return the help text of an option: description, default and example, with brackets escaped for Rich."""
    default = field.flag.default or _shown(field.default)
    parts = [field.description, f"Default: {default}." if default else "", f"Example: {field.flag.example}." if field.flag.example else ""]
    return " ".join(part for part in parts if part).replace("[", r"\[")


def _shown(value: object) -> str:
    """Return a default value as a user would type it; empty if there is none."""
    if value is None or value is ... or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def keyword(name: str, annotation: Any, default: object = inspect.Parameter.empty) -> inspect.Parameter:  # noqa: ANN401 - a type
    """Return a parameter that is given by name."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _before(folder: str) -> tuple[inspect.Parameter, ...]:
    source = "A built-in data set (see polytask data list), a table (CSV, Parquet, …), or a YAML file, such as the run.yaml of a run."
    return (
        keyword("source", Annotated[str | None, typer.Argument(help=source, show_default=False)], None),
        keyword("out", Annotated[Path | None, typer.Option("--out", "-o", help=f"Folder to write the run to. Default: {folder}.")], None),
        keyword("resume", Resume, None),
        keyword("overwrite", Overwrite, default=False),
    )


def _after() -> tuple[inspect.Parameter, ...]:
    other = "Set any option of a YAML file, as NAME=VALUE. Repeatable. Example: training.optimizer_options.eps=1e-6."
    return (
        keyword("assign", Annotated[list[str] | None, typer.Option("--set", help=other)], None),
        keyword("import_path", ImportPaths, None),
        keyword("allow_imports", AllowImports, default=False),
        keyword("quiet", Quiet, default=False),
    )
