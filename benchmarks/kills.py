"""Kill commands at every point of their write protocol and at random, repeat them, and compare what they write with an undisturbed run.

    python benchmarks/kills.py --kills 200 --signals 100 --seed 0
    python benchmarks/kills.py --kills 10 --commands study relate

A point is an operation on a file, such as the renaming of a checkpoint; `kill_points/sitecustomize.py` kills there, from outside
of polytask. Most kills are at drawn points, the others after a drawn time. Signals are SIGTERM, SIGHUP and SIGINT. After each of
them no process may be left after 60 s, the same command must complete the run to the same bytes, and no partial file, no temporary
folder and no shared memory may stay. Every command has a time limit, so that one that hangs is a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from killed_commands import COMMANDS, KilledCommand, digests, make_table, run_to_end

POINTS = Path(__file__).with_name("kill_points")
LONGEST, LONGEST_ORPHAN, LONGEST_SIGNAL = 300.0, 60.0, 60.0
SIGNALS = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}
PARTIAL = ("*.part", ".*.part", "*.old", ".*.old", "*-next", "*-previous")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX puts shared memory and semaphores


@dataclass(frozen=True)
class Kill:
    """One way of ending a command.

    Attributes:
        what: Name of the point, `after a time`, or the name of a signal.
        occurrence: How often the point is reached before the kill, with the kill.
        seconds: Time after which a signal is sent.
        number: Signal; SIGKILL for kills.
        whole: Whether all processes of the command are killed, or only one.
        torn: Whether the file that is flushed is cut first.
    """

    what: str
    occurrence: int = 0
    seconds: float = 0.0
    number: int = signal.SIGKILL
    whole: bool = False
    torn: bool = False

    def __str__(self) -> str:
        place = f"{self.what}, {self.occurrence}" if self.occurrence else f"{self.what}, {self.seconds:.1f} s"
        return place + (", all processes" if self.whole else "") + (", torn" if self.torn else "")


@dataclass
class Prepared:
    """A command that has been run once without a disturbance.

    Attributes:
        command: The command.
        data: Folder of its data.
        expected: Digests of what it writes.
        seconds: Time that it takes.
        counts: How often it reaches each point.
        kept: What it leaves on purpose, such as the states of the networks of a race.
    """

    command: KilledCommand
    data: Path
    expected: dict[str, str]
    seconds: float
    counts: Counter[str]
    kept: frozenset[str] = frozenset()


@dataclass
class Trial:
    """A folder in which a command is run, killed and repeated, and everything that belongs to it."""

    command: KilledCommand
    data: Path
    folder: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for name in ("out", "ledger", "temporary"):
            (self.folder / name).mkdir(parents=True)
        if "{out}/run" in self.command.arguments and self.command.needs:
            shutil.copytree(self.data / "run", self.folder / "out" / "run")

    @property
    def out(self) -> Path:
        """Folder of what the command writes."""
        return self.folder / "out"

    def argv(self) -> list[str]:
        """Return the command."""
        return self.command.argv(self.data, self.out)

    def environment(self, plan: dict[str, object] | None = None) -> dict[str, str]:
        """Return the environment of the command; with a plan, its file operations are counted."""
        own = {"KILLS_TOKEN": self.token, "TMPDIR": str(self.folder / "temporary"), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        if plan is not None:
            content = {"root": str(self.out), "ledger": str(self.folder / "ledger"), **plan}
            own |= {"KILL_POINTS": json.dumps(content), "PYTHONPATH": str(POINTS)}
        return {**os.environ, **own}

    def processes(self) -> list[psutil.Process]:
        """Return the processes that belong to the command, whoever their parent is."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("KILLS_TOKEN") == self.token and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def leftovers(self) -> list[str]:
        """Return the names of files that should not be there when the command has completed."""
        partial = {str(path.relative_to(self.out)) for pattern in (*PARTIAL, ".lock") for path in self.out.rglob(pattern)}
        checkpoints = [] if self.command.name.partition("-")[0] in ("study", "curve") else self.out.glob("run/checkpoints")
        temporary = [path for path in (self.folder / "temporary").iterdir() if path.name != "torchinductor_root"]
        return [*sorted(partial), *(path.name for path in checkpoints), *(f"temporary {path.name}" for path in temporary)]


def shared_memory(process: int) -> set[str]:
    """Return the names of shared memory and semaphores that a process has made, which libraries name after its number."""
    names = [path.name for path in SHARED_MEMORY.iterdir()] if SHARED_MEMORY.is_dir() else []
    return {name for name in names if str(process) in re.split(r"[-_.]", name)}


def prepare(command: KilledCommand, folder: Path, made: dict[str, Prepared]) -> Prepared:
    """Run a command undisturbed, and return what it writes and which points it reaches."""
    data = folder / "data" / command.name
    make_table(data)
    if command.needs:
        shutil.copytree(made[command.needs].data.parents[1] / "whole" / command.needs / "out" / "run", data / "run")
    trial = Trial(command, data, folder / "whole" / command.name)
    started = time.monotonic()
    code, error = run_to_end(trial.argv(), trial.environment({}), LONGEST)
    if code:
        raise SystemExit(f"{command.name} fails without a kill: {error}")
    lines = (path.read_text().splitlines() for path in (trial.folder / "ledger").iterdir())
    counts = Counter(line for own in lines for line in own)
    seconds = time.monotonic() - started
    return Prepared(command, data, digests(trial.out, timed=not command.needs), seconds, counts, frozenset(trial.leftovers()))


def end(trial: Trial, kill: Kill) -> tuple[int, int, str]:
    """Run a command and end it; return its number, its exit code, and what it has written to stderr."""
    plan = {"point": kill.what, "occurrence": kill.occurrence, "whole": kill.whole, "torn": kill.torn} if kill.occurrence else None
    with (trial.folder / "stderr").open("w+") as errors:
        process = subprocess.Popen(
            trial.argv(), env=trial.environment(plan), stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            process.wait(LONGEST if kill.occurrence else kill.seconds)
        except subprocess.TimeoutExpired:
            if kill.whole:
                os.killpg(process.pid, kill.number)
            else:
                process.send_signal(kill.number)
        try:
            code = process.wait(LONGEST_SIGNAL)
        except subprocess.TimeoutExpired:
            process.kill()
            code = 124
        errors.seek(0)
        return process.pid, code, errors.read()


def judge(made: Prepared, kill: Kill, folder: Path) -> tuple[str, list[str]]:
    """End a command, complete it, and return whether it was `killed` or had `ended` before, and everything that is wrong."""
    trial = Trial(made.command, made.data, folder)
    process, code, error = end(trial, kill)
    wrong = []
    if code == 124:
        wrong.append(f"did not end within {LONGEST_SIGNAL:.0f} s")
    elif kill.number != signal.SIGKILL and code not in (0, SIGNALS[signal.Signals(kill.number)], -kill.number):
        wrong.append(f"exit code {code} after {kill.what}")
    if "Traceback" in error:
        wrong.append(f"a traceback: {error.strip().splitlines()[-1]}")
    deadline = time.monotonic() + LONGEST_ORPHAN
    while (orphans := trial.processes()) and time.monotonic() < deadline:
        time.sleep(0.2)
    wrong += [f"orphan {' '.join(orphan.cmdline())[:100]}" for orphan in orphans]
    ended = "ended" if code == 0 else "killed"
    code, error = run_to_end(trial.argv(), trial.environment(), LONGEST) if code else (0, "")
    if code and "holds a finished run" not in error and "exists already" not in error:  # the kill came after the last file
        wrong.append(f"the same command ends with {code}: {error.strip()[-300:]}")
    found = digests(trial.out, timed=not made.command.needs)
    wrong += [f"{name} differs" for name in sorted(found.keys() | made.expected.keys()) if found.get(name) != made.expected.get(name)]
    wrong += [f"left over: {name}" for name in trial.leftovers() if name not in made.kept]
    return ended, wrong + [f"shared memory {name}" for name in sorted(shared_memory(process))]


def drawn_kills(made: Sequence[Prepared], kills: int, signals: int, draw: random.Random) -> Iterator[tuple[Prepared, Kill]]:
    """Draw the kills: points that were not drawn before come first, and commands take turns."""
    used: Counter[str] = Counter()
    for number in range(kills + signals):
        own = made[number % len(made)]
        seconds = draw.uniform(0.05, 0.95) * own.seconds
        if number >= kills:
            which = draw.choice(list(SIGNALS))
            yield own, Kill(which.name, seconds=seconds, number=which)
        elif draw.random() < 0.4 or not own.counts:
            yield own, Kill("after a time", seconds=seconds, whole=draw.random() < 0.3)
        else:
            fewest = min(used[point] for point in own.counts)
            point = draw.choice(sorted(point for point in own.counts if used[point] == fewest))
            used[point] += 1
            torn = point.startswith("flush") and draw.random() < 0.5
            yield own, Kill(point, draw.randint(1, own.counts[point]), whole=draw.random() < 0.5, torn=torn)


def main() -> None:
    """Print what is wrong, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--signals", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", default=[command.name for command in COMMANDS])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder, made = Path(name), dict[str, Prepared]()
        wanted = {command.needs for command in COMMANDS if command.name in given.commands} | set(given.commands)
        for command in (command for command in COMMANDS if command.name in wanted):
            made[command.name] = prepare(command, folder, made)
            print(f"{command.name}: {made[command.name].seconds:.0f} s, {len(made[command.name].counts)} points", flush=True)
        chosen = [own for command, own in made.items() if command in given.commands]
        counts, points, failed = Counter[str](), set[str](), 0
        for number, (own, kill) in enumerate(drawn_kills(chosen, given.kills, given.signals, random.Random(given.seed))):
            ended, wrong = judge(own, kill, folder / f"trial-{number}")
            counts[f"{'kill' if kill.number == signal.SIGKILL else 'signal'} {ended}"] += 1
            points |= {kill.what} if kill.occurrence and ended.startswith("killed") else set()
            failed += bool(wrong)
            print(f"{own.command.name}, {kill}: {ended}{''.join(f'; {line}' for line in wrong)}", flush=True)
            shutil.rmtree(folder / f"trial-{number}")
        print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
        print(f"{len(points)} distinct points; {failed} failures")


if __name__ == "__main__":
    main()
