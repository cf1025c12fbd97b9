"""How a command ends when memory runs out, and on consoles that lack letters."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMAND = """
import sys
from polytask.cli import app, main

@app.app.command("exhaust")
def exhaust() -> None:
    {code}

sys.argv = ["polytask", "exhaust"]
main()
"""


SLOW = ("torch; torch.empty(2**50)", "os; bytearray(2**62)", "pyarrow; pyarrow.allocate_buffer(2**60)")


@pytest.mark.parametrize(
    "code", ["import numpy; numpy.empty(2**55)", *(pytest.param(f"import {code}", marks=pytest.mark.slow) for code in SLOW)]
)
def test_running_out_of_memory_is_one_line_and_an_exit_code_of_its_own(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", COMMAND.format(code=code)], capture_output=True, text=True)
    assert done.returncode == 71, done.stderr
    assert done.stderr.startswith("error: there is not enough memory")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("encoding", ["latin-1", pytest.param("cp1252", marks=pytest.mark.slow)])
def test_a_console_without_a_letter_gets_its_number(encoding: str) -> None:
    code = "import typer, rich.console; typer.echo('字'); rich.console.Console().print('字'); sys.stderr.write('字')"
    script = COMMAND.format(code=code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [b"\\u5b57"] * 2
    assert done.stderr == b"\\u5b57"
