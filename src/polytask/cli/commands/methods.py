"""`polytask methods`: list all components, or show one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from polytask.errors import ConfigError
from polytask.registry import GROUPS, ComponentSpec, all_specs, specs_of
from polytask.registry.component import SPELLINGS
from polytask.registry.suggestion import nearest_name

if TYPE_CHECKING:
    from rich.console import Console

    from polytask.registry.component_details import ComponentDetails

FACTS = ("needs", "cost", "memory", "state", "kinds", "paper")
"""What is said of a component besides its summary, in this order."""
TITLES = {"kinds": "kinds of task"}
OPTIONS_OF = {
    "balancer": "balancer",
    "architecture": "architecture",
    "encoder": "encoder",
    "sampler": "sampling",
    "callback": "callbacks",
    "logger": "logger",
}
"""Option of the command line that takes the components of a group."""


def methods_command(
    name: Annotated[str | None, typer.Argument(help=f"Component to show, or group to list: {', '.join(SPELLINGS)}. Default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: everything that is known, options and documentation too.")] = False,
) -> None:
    """List balancers, architectures, encoders and other components, or show one: what it does, its options, when it fails, its paper."""
    from rich.console import Console

    group = None if name is None else name.replace("-", " ")
    found = list(all_specs()) if name is None else list(specs_of(group)) if group in GROUPS else _called(name)
    if as_json:
        from polytask.registry.component_details import component_record

        typer.echo(json.dumps([component_record(spec) for spec in found], indent=2, ensure_ascii=False))
        return
    console = Console()
    if name is None or group in GROUPS:
        for own in GROUPS if name is None else (str(group),):
            console.print(_table(own, [spec for spec in found if spec.group == own]))
        return
    for spec in found:
        _print_component(console, spec)


def _called(name: str) -> list[ComponentSpec]:
    """Return the components with this name, of any group.

    Raises:
        ConfigError: There is none; the message suggests the nearest name.
    """
    found = [spec for spec in all_specs() if spec.name == name]
    if not found:
        close = nearest_name(name, (*SPELLINGS, *(spec.name for spec in all_specs())))
        remedy = f"{f'Did you mean {close!r}? ' if close else ''}polytask methods lists all components"
        raise ConfigError("unknown component or group of components", where=repr(name), remedy=remedy)
    return found


def _table(group: str, rows: Sequence[ComponentSpec]) -> object:
    """Return a table of two columns, which 80 columns of a terminal have room for."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=group, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)  # users copy names, so they must not wrap
    table.add_column("what it does")
    for row in rows:
        text = Text(row.summary)
        facts = "; ".join(f"{title}: {fact}" for title, fact in _facts(row))
        text.append(f"\n{facts}" if facts else "", style="dim")
        table.add_row(row.name, text)
    return table


def _facts(row: ComponentSpec) -> Iterator[tuple[str, str]]:
    for fact in FACTS:
        value = getattr(row, fact)
        if value:
            yield TITLES.get(fact, fact), value if isinstance(value, str) else ", ".join(value)


def _print_component(console: Console, spec: ComponentSpec) -> None:
    from rich.text import Text

    from polytask.registry.component_details import component_details

    found = component_details(spec)
    console.print(Text(f"{spec.name} ({spec.group})", style="bold"))
    console.print(Text(spec.summary))
    for title, fact in _facts(spec):
        console.print(Text(f"{title}: {fact}"))
    if found.missing:
        console.print(Text(f"Its documentation can be shown when it is installed: {found.missing}"))
    for paragraph in _paragraphs(found):
        console.print(Text(f"\n{paragraph}"))
    if found.options:
        console.print()
        console.print(_option_table(found))
    if example := _example(spec, found):
        console.print(Text(f"\n{example}"))
    console.print()


def _paragraphs(found: ComponentDetails) -> Iterator[str]:
    """Yield the documentation: lines of a text are joined, so that the terminal breaks them; those of a formula are kept."""
    for paragraph in found.text.split("\n\n"):
        if paragraph.strip():
            yield paragraph if paragraph.startswith("    ") else " ".join(paragraph.split())
    for label, text in (found.paragraphs or {}).items():
        yield f"{label}: {text}"


def _option_table(found: ComponentDetails) -> object:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("option", "default", "meaning"):
        table.add_column(heading, no_wrap=heading == "option")
    for option in found.options:
        table.add_row(option.name, Text(option.default), Text(option.text))
    return table


def _example(spec: ComponentSpec, found: ComponentDetails) -> str:
    """Return how the command line is given the component with an option; empty if it has no option for the group."""
    if spec.group not in OPTIONS_OF or found.missing:
        return ""
    first = next((f"({option.name}={option.default})" for option in found.options if option.default not in ("required", "None")), "")
    return f'On the command line: --{OPTIONS_OF[spec.group]} "{spec.name}{first}"'
