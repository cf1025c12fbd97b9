"""Fuzz the readers of files and arguments: an input is read, or refused in one line; nothing else is raised, and nothing takes long.

    python benchmarks/fuzz.py --target table --iterations 50000 --seed 0
    python benchmarks/fuzz.py --target all --iterations 50000 --seconds 600
    python benchmarks/fuzz.py --target json --engine atheris --iterations 50000        (pip install polytask[fuzz])

The engine `mutations` changes inputs that it knows (bits, bytes, repeated and removed pieces, tokens, pieces of two inputs), and keeps
those that reach a new line of the target's modules; `atheris` is libFuzzer. The number of reached lines is printed, of those that the
modules have in functions. A failure is printed with the input, as bytes to add to `tests/tools/test_fuzz.py`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FrameType
from typing import Any

from fuzz_targets import REFUSALS, TARGETS, Target

MOST_SECONDS = 5.0
TRACED = 20
"""One of so many inputs is read with its lines counted, which is slow."""


def failure(target: Target, data: bytes) -> str:
    """Read an input, and return what went wrong; an empty text if nothing did."""
    started = time.process_time()
    try:
        target.read(data)
    except REFUSALS as error:
        if len(str(error).splitlines()) > 1:
            return f"an error of several lines: {error}"
    except ValueError as error:
        if not (target is TARGETS["arguments"] and str(error) in ("No closing quotation", "No escaped character")):  # of the shell
            return traceback.format_exc()
    except BaseException:  # noqa: BLE001 - whatever it is, it is a failure
        return traceback.format_exc()
    seconds = time.process_time() - started
    return f"{seconds:.1f} s" if seconds > MOST_SECONDS else ""


def mutated(known: list[bytes], tokens: tuple[bytes, ...], draw: random.Random) -> bytes:
    """Return one of the known inputs with some changes."""
    data = bytearray(draw.choice(known))
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        at = draw.randrange(len(data) + 1)
        to = min(len(data), at + draw.choice((1, 1, 2, 4, 16, 64)))
        match draw.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << draw.randrange(8)
            case 1 if at < len(data):
                data[at] = draw.randrange(256)
            case 2:
                del data[at:to]
            case 3:
                data[at:at] = data[at:to] * draw.choice((1, 2, 50))
            case 4 if tokens:
                data[at:at] = draw.choice(tokens) * draw.choice((1, 1, 3, 2000))
            case 5 if tokens:
                data[at:to] = draw.choice(tokens)
            case _:
                other = draw.choice(known)
                start = draw.randrange(len(other) + 1)
                data[at:] = other[start:]
    return bytes(data[:200_000])


class Lines:
    """Lines of the modules of a target that its inputs reach."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        self.files = {
            str(module.__file__)
            for name, module in list(sys.modules.items())
            if name.startswith(parts) and getattr(module, "__file__", None)
        }
        self.reached: set[tuple[str, int]] = set()

    def total(self) -> int:
        """Return how many lines the functions of the modules have."""
        found = set()
        for file in self.files:
            with open(file, encoding="utf-8") as source:  # noqa: PTH123 - a line of code less
                module = compile(source.read(), file, "exec")
            found |= {(file, line) for code in _functions(module) for _, _, line in code.co_lines() if line}
        return len(found)

    def traced(self, read: Callable[[], str]) -> tuple[str, bool]:
        """Call a function; return its answer, and whether it reached a new line."""
        before = len(self.reached)
        sys.settrace(self._enter)
        try:
            answer = read()
        finally:
            sys.settrace(None)
        return answer, len(self.reached) > before

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ANN401 - as `sys.settrace` calls it
        return self._line if frame.f_code.co_filename in self.files else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ANN401
        self.reached.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of all functions in a module; its own runs when it is imported."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & 1:  # a function, and no body of a class
                yield inner
            yield from _functions(inner)


def run_target(name: str, iterations: int, seed: int, seconds: float) -> tuple[int, list[tuple[bytes, str]]]:
    """Fuzz a target by mutations, print a line, and return the number of inputs and the failures."""
    target, draw = TARGETS[name], random.Random(f"{name} {seed}")
    known = target.seeds()
    for data in known:
        failure(target, data)  # imports what is imported late
    lines, done, started = Lines(target.parts), 0, time.monotonic()
    failures: list[tuple[bytes, str]] = []
    for data in known:
        lines.traced(partial(failure, target, data))
    while done < iterations and time.monotonic() - started < seconds and len(failures) < 20:
        data = mutated(known, target.tokens, draw)
        if done % TRACED:
            found = failure(target, data)
        else:
            found, is_new = lines.traced(partial(failure, target, data))
            known += [data] if is_new and len(data) < 20_000 else []
        failures += [(data, found)] if found else []
        done += 1
    reached, total = len(lines.reached), lines.total()
    print(f"{name}: {done:,} inputs in {time.monotonic() - started:.0f} s, {len(failures)} failures; lines {reached:,} of {total:,}")
    return done, failures


def run_atheris(name: str, iterations: int, seed: int) -> None:
    """Fuzz a target by libFuzzer, which ends the process."""
    import atheris

    target = TARGETS[name]

    def one_input(data: bytes) -> None:
        if found := failure(target, data):
            raise RuntimeError(found)

    for data in target.seeds():
        failure(target, data)
    for module in [module for own, module in list(sys.modules.items()) if own.startswith(target.parts)]:
        for value in list(vars(module).values()):
            if hasattr(value, "__code__") and getattr(value, "__module__", "") == module.__name__:
                atheris.instrument_func(value)
    atheris.Setup([sys.argv[0], f"-runs={iterations}", f"-seed={seed + 1}", "-max_len=4096", f"-timeout={MOST_SECONDS:.0f}"], one_input)
    atheris.Fuzz()


def main() -> None:
    """Fuzz one target or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=["all", *TARGETS], default="all")
    parser.add_argument("--iterations", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=["mutations", "atheris"], default="mutations")
    given = parser.parse_args()
    if given.engine == "atheris":
        run_atheris(given.target, given.iterations, given.seed)
    failed = False
    for name in TARGETS if given.target == "all" else (given.target,):
        _, failures = run_target(name, given.iterations, given.seed, given.seconds)
        for data, found in failures[:5]:
            print(f"  {data[:300]!r}\n{found}")
        failed |= bool(failures)
    sys.exit(failed)


if __name__ == "__main__":
    main()
