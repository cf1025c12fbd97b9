"""Metadata that says how the command line offers a field."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """How the command line offers a field of an option model; part of the field's `Annotated` type.

    Attributes:
        panel: Heading under which `--help` lists the option.
        name: Option name without dashes; empty for the field's name with hyphens.
        short: One-letter form without its dash; empty for none.
        example: Example value to show in the help text.
        default: Text to show as the default, for defaults that are computed.
        separator: Separator of the items of a list; empty if the option takes several words instead.
        counted: Whether the command line takes the number of items, while a file may list them.
        hidden: Whether the field can only be set in a file or with `--set`.

    Example:
        >>> Flag("Training").option("batch_size")
        '--batch-size'
        >>> Flag("Table", name="kind").option("kinds")
        '--kind'
    """

    panel: str = ""
    name: str = ""
    short: str = ""
    example: str = ""
    default: str = ""
    separator: str = ""
    counted: bool = False
    hidden: bool = False

    def option(self, field: str) -> str:
        """Return the long name of the option, with its dashes."""
        return f"--{self.name or field.replace('_', '-')}"


FILE_ONLY = Flag(hidden=True)
"""Flag of fields that can only be set in a file or with `--set`."""
