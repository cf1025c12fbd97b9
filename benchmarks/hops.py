"""Count the calls, and the changes of file between them, in one training step.

    python benchmarks/hops.py [--trace]

Two steps are profiled with `sys.setprofile`, both with UPGrad on two tasks whose gradients conflict, so that its solver has work:

* `Backward`: one call on the losses of a trunk with two heads, after a warm-up, so that shared parameters and buffers exist.
* `fit`: one whole iteration of the training loop, from the start of a step to the start of the next: rows, forward, losses, backward,
  optimizer, average of the weights, history. Progress, which is reported a few times a second, is not part of it.

Calls of functions and methods defined in polytask are counted; comprehensions, generator expressions and lambdas count as part of the
function that contains them, and calls inside PyTorch and NumPy are not counted. A hop is a call into another file than that of the previous
call: how often a reader has to open another file. The first call is the first hop.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

import polytask
from polytask.architectures import MultiTaskModel
from polytask.balancing import UPGrad
from polytask.data import Source
from polytask.encoders import MLP
from polytask.gradients import Backward
from polytask.tasks import Regression
from polytask.training.fit_model import build_loop
from polytask.training.loop import training_loop

FOLDER = str(Path(polytask.__file__).parent)
TASKS = ("a", "b")


class Call(NamedTuple):
    """A call of a function of polytask."""

    file: str
    function: str


def calls_of(run: Callable[[], object]) -> list[Call]:
    """Return the calls that `run` makes, in their order."""
    calls: list[Call] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(FOLDER) and not code.co_name.startswith("<"):
            calls.append(Call(str(Path(code.co_filename).relative_to(FOLDER)), code.co_qualname))

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


def hops(calls: list[Call]) -> int:
    """Return the number of calls into another file than that of the previous call.

    Example:
        >>> hops([Call("a.py", "f"), Call("a.py", "g"), Call("b.py", "h"), Call("a.py", "g")])
        3
    """
    return sum(number == 0 or calls[number - 1].file != call.file for number, call in enumerate(calls))


def figures(calls: list[Call]) -> tuple[int, int, int, int]:
    """Return the numbers of calls, functions, files and hops.

    Example:
        >>> figures([Call("a.py", "f"), Call("a.py", "g"), Call("b.py", "h"), Call("a.py", "g")])
        (4, 3, 2, 3)
    """
    return len(calls), len(set(calls)), len({call.file for call in calls}), hops(calls)


def backward_step() -> list[Call]:
    """Return the calls of one step of `Backward` with UPGrad."""
    torch.manual_seed(0)
    trunk, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh()), torch.randn(16, 4)
    heads = {task: nn.Linear(8, 1) for task in TASKS}
    heads["b"].load_state_dict({name: -value for name, value in heads["a"].state_dict().items()})  # gradients conflict
    backward = Backward(UPGrad(), tasks=TASKS, shared=trunk)

    def losses() -> dict[str, torch.Tensor]:
        features = trunk(x)
        return {task: (head(features) - 3).square().mean() for task, head in heads.items()}

    backward(losses())
    for module in (trunk, *heads.values()):
        module.zero_grad()
    found = losses()
    return calls_of(lambda: backward(found))


def fit_step() -> list[Call]:
    """Return the calls of one iteration of the training loop with UPGrad: the fourth of an epoch."""
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 4)).astype("float32")
    source = Source("table", x, {"a": x[:, 0], "b": -x[:, 0]})
    model = MultiTaskModel(MLP((4,), hidden=(8,)), [Regression(name=task) for task in TASKS], initialization="framework")
    loop, _ = build_loop(model, [source], "upgrad", batch_size=32, threads=1)
    training_loop.SECONDS_BETWEEN_REPORTS = math.inf  # on a slow machine any step could be one that reports its progress
    calls = calls_of(loop.train_epoch)
    starts = [number for number, call in enumerate(calls) if call.function == "TrainingLoop.step"]
    return calls[starts[3] : starts[4]]


def main() -> None:
    """Print a line per step and, with `--trace`, its calls, with consecutive calls in one file on one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", action="store_true", help="print the calls too")
    trace = parser.parse_args().trace
    for name, calls in (("Backward", backward_step()), ("fit", fit_step())):
        calls_made, functions, files, between = figures(calls)
        print(f"{name}: {calls_made} calls of {functions} functions in {files} files, {between} hops between files")
        previous = ""
        for call in calls if trace else ():
            print(f" {call.function}" if call.file == previous else f"\n    {call.file}: {call.function}", end="")
            previous = call.file
        print("\n" if trace else "", end="")


if __name__ == "__main__":
    main()
