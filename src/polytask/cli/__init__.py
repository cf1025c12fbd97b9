"""The command line: one file per command. It parses, calls the library and prints; nothing else does."""

from polytask.cli.app import main

__all__ = ["main"]
