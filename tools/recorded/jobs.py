"""Fixed jobs whose values are recorded."""

from __future__ import annotations

import csv
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from recorded import api
from recorded.data import GRADES, KINDS, PROBLEMS, predictions, write_tables
from recorded.names import Names
from recorded.values import Values, of_document, of_folder, of_table, of_tensors

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"

ELSEWHERE = {"encoder": {"pretrained"}, "kind": {"custom"}}
"""Components that are not recorded, since they need extra files or Python functions."""

Job = Callable[[Names], Values]


def rows_of(file: str, job: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a job in a table of inputs."""
    with (HERE / file).open(encoding="utf-8", newline="") as lines:
        yield from (row for row in csv.DictReader(lines) if job in ("", row["job"]))


def fits(job: str, names: Names) -> Values:
    """Train a small network for every row of `fits.csv`; record its tensors, history, validation metrics and counts."""
    found: Values = {}
    for row in rows_of("fits.csv", job):
        print(f"  {row['id']}", flush=True)
        done = api.fit(PROBLEMS[row["data"]](), row["encoder"], row["architecture"], row["balancer"], row["training"])
        parts = {
            "tensors": of_tensors(done.tensors, names),
            "history": of_table(done.history, names, groups=("name",)),
            "numbers": of_document(done.numbers, names, depth=2),
        }
        found |= {f"{row['id']}/{part}/{name}": value for part, own in parts.items() for name, value in own.items()}
    return found


def commands(job: str, names: Names) -> Values:
    """Run the commands of `commands.csv` in a folder with generated tables; record all files that they write."""
    found: Values = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder)
        for row in rows_of("commands.csv", job):
            print(f"  {row['id']}", flush=True)
            api.command(shlex.split(row["arguments"]), folder, SOURCE)
            written = of_folder(folder / row["out"], names)
            found |= {f"{row['id']}/{place}": value for place, value in written.items()}
    return found


def verdicts(names: Names) -> Values:
    """Compute verdicts on generated predictions of every kind, with several options."""
    frame = predictions()
    plain = frame.drop(columns="group")
    own = frame["unit"] + 1000 * frame["seed"]
    common = {"kinds": {kind: kind for kind in KINDS}, "classes": {"ordinal": GRADES}}
    found = {
        "all": api.verdict(plain, **common),
        "chosen": api.verdict(plain, **common, chosen="equal", looks=(3, 6), test_openings=2, margins={"regression": 0.2}),
        "groups": api.verdict(frame, **common),
        "splits": api.verdict(plain.assign(unit=own), **common, train_units=300),
        "metrics": api.verdict(plain, **common, metrics=METRICS),
        "two seeds": api.verdict(plain[plain["seed"] < 2], **common, baseline="equal"),
    }
    return of_document(found, names, depth=5)


METRICS = {
    "regression": "mae", "binary": "log-loss", "multiclass": "f1", "ordinal": "quadratic-kappa", "count": "rmse",
    "quantile": "coverage-gap", "multilabel": "accuracy",
}  # fmt: skip


def components(names: Names) -> Values:
    """Record the components that are registered but not tried, and those that are tried but not registered."""
    del names
    tried, found = _tried(), Values()
    for group in api.GROUPS:
        known = api.registered(group) - ELSEWHERE.get(group, set())
        found[f"{group}/not tried"] = ", ".join(sorted(known - tried[group]))
        found[f"{group}/not registered"] = ", ".join(sorted(tried[group] - known))
    return found


def _tried() -> Mapping[str, set[str]]:
    tried: dict[str, set[str]] = {group: set() for group in api.GROUPS}
    for row in rows_of("fits.csv", ""):
        *wrappers, balancer = _bare(row["balancer"]).split(":")
        tried["wrapper"] |= set(wrappers)
        tried["balancer"].add(balancer)
        tried["encoder"].add(_bare(row["encoder"]))
        tried["architecture"].add(_bare(row["architecture"]))
        tried["kind"] |= {_bare(kind) for kind in PROBLEMS[row["data"]]().tasks.values()}
    for row in rows_of("commands.csv", ""):
        tried["kind"] |= set(re.findall(r"=([a-z]+)", _bare(row["kinds"])))
    return tried


def _bare(text: str) -> str:
    """Remove the options from a component as users write it."""
    return re.sub(r"\([^()]*\)", "", text)


def _job(kind: Callable[[str, Names], Values], name: str) -> Job:
    return lambda names: kind(name, names)


JOBS: Mapping[str, Job] = {
    "components": components,
    "demo": _job(commands, "demo"),
    "table": _job(commands, "table"),
    "balancers": _job(fits, "balancers"),
    "architectures": _job(fits, "architectures"),
    "encoders": _job(fits, "encoders"),
    "options": _job(fits, "options"),
    "relate": _job(commands, "relate"),
    "verdict": verdicts,
}
