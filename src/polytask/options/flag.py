"""How the command line offers a choice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """How a field of an option model is offered on the command line; put it into the field's `Annotated` type.

    Attributes:
        panel: Heading under which `--help` lists the option.
        name: Option name without dashes; by default the field's name with hyphens.
        short: One-letter form, without its dash.
        example: A value to show in the help text.
        default: Text to show as the default, where the default is computed.
        separator: Separator of a list that is written as one text; an empty text means that the option takes several words.
        counted: Whether the command line takes a number of items where a file may list them.
        hidden: Whether the choice can only be made in a file, or with `--set`.

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
        """Return the option's long name, with its dashes."""
        return f"--{self.name or field.replace('_', '-')}"


FILE_ONLY = Flag(hidden=True)
"""For choices that are made in a file or with `--set`."""
