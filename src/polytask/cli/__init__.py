"""Command line of polytask, one file per command.

It parses arguments, calls the library and prints. No other package prints.
"""

from polytask.cli.app import main

__all__ = ["main"]
