"""Output that does not end a command: a console that lacks a letter, a reader that has gone, a terminal that was closed."""

from __future__ import annotations

import io
import os
import sys


class LastingOutput(io.TextIOWrapper):
    """Text stream that shows the number of a letter that its encoding lacks, and goes nowhere once its reader has gone."""

    def write(self, text: str, /) -> int:
        """Write a text, as far as anybody reads it."""
        try:
            return super().write(text)
        except OSError:
            self._forget()
            return len(text)

    def flush(self) -> None:
        """Flush the stream, as far as anybody reads it."""
        try:
            super().flush()
        except OSError:
            self._forget()

    def _forget(self) -> None:
        """Let the stream end in the null device: what is buffered, and what follows, is lost."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def make_output_lasting() -> None:
    """Replace the standard streams of this process, unless something else has replaced them already."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            encoding, buffered = stream.encoding, stream.line_buffering
            setattr(sys, name, LastingOutput(stream.detach(), encoding, errors="backslashreplace", line_buffering=buffered))
