"""What `fuzz.py` feeds with mutated bytes: every reader of files and arguments, with inputs to start from.

A reader succeeds, or refuses its input by an error of polytask of one line; arguments may also be refused by Click.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import shlex
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import typer

import polytask as pt
from edited_models import made_run, write_manifest
from polytask import run_files
from polytask.cli import generate_command
from polytask.cli.app import SEVERAL, app
from polytask.cli.build_config import merged
from polytask.cli.table_source import spread
from polytask.data.reading import open_table
from polytask.datasets.idx_format import parse_idx
from polytask.errors import PolytaskError
from polytask.options import StudyConfig, checked
from polytask.run_files.base import RunFile
from polytask.studies.execution.study_progress import read_status
from polytask.studies.spec.arms import parse_arms

_OF_CLICK: type[BaseException] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)  # Typer may have its own Click
REFUSALS: tuple[type[BaseException], ...] = (PolytaskError, _OF_CLICK, typer.Exit, typer.Abort)
FILES = tuple(kind for name in run_files.__all__ if isinstance(kind := getattr(run_files, name), type) and issubclass(kind, RunFile))


@dataclass(frozen=True)
class Target:
    """A reader that is fuzzed.

    Attributes:
        read: Function of the bytes.
        seeds: Function that returns inputs to start from.
        parts: Beginnings of the names of the modules whose lines are counted.
        tokens: Pieces of text that mutations insert.
    """

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    parts: tuple[str, ...]
    tokens: tuple[bytes, ...] = ()


@cache
def folder() -> Path:
    """Return a folder in memory, if there is one, that is removed when the program ends."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder with a random name in it
    made = tempfile.mkdtemp(prefix="polytask-fuzz-", dir=shared if shared.is_dir() else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def written(name: str, content: bytes) -> Path:
    """Write a file into the folder, and return its path."""
    path = folder() / name
    path.write_bytes(content)
    return path


def read_table(data: bytes) -> object:
    """Read a table whose form the first byte chooses."""
    ending = (".csv", ".tsv", ".csv", ".csv.gz", ".jsonl", ".parquet", ".feather", ".csv.zip")[data[0] % 8 if data else 0]
    return open_table(written(f"table{ending}", data[1:])).read()


def read_study(data: bytes) -> object:
    """Read a study file as `polytask study` does."""
    path = written("study.yaml", data)
    config = checked(StudyConfig, merged(str(path), {}, ()), where=str(path))
    return parse_arms(config.arms, ("a", "b"))


def read_json_file(data: bytes) -> object:
    """Read one of the JSON files of a run; the first byte chooses which."""
    kind = data[0] % (len(FILES) + 1) if data else 0
    if kind == len(FILES):
        written("status.json", data[1:])
        progress = read_status(folder())
        return progress and progress.share
    return FILES[kind].read(written("run.json", data[1:]))


@cache
def model() -> Path:
    """Train a model, and return the folder of its network."""
    run, _ = made_run(folder())
    return next(run.glob("model/network-*"))


def read_model(data: bytes) -> object:
    """Load a model whose values are other ones, with a manifest that matches."""
    (model() / "values.json").write_bytes(data)
    write_manifest(model())
    return pt.load(model().parents[1])


@cache
def command_line() -> Any:  # noqa: ANN401 - a class of Click, which may be Typer's own
    """Return the command line as Click runs it."""
    return typer.main.get_command(app)


def read_arguments(data: bytes) -> object:
    """Parse a command line, up to the point where the command would start."""
    words = shlex.split(data.decode("utf-8", "replace").replace("\0", ""))
    found: list[object] = []

    class ParsedError(PolytaskError):
        """Everything is parsed."""

    def parsed(source: str, given: dict[str, Any], assignments: Sequence[str], *, imports: bool) -> None:
        found.append(merged(source, given, assignments, imports=imports))
        raise ParsedError("parsed")

    command = command_line()
    with patch.object(generate_command, "merged", parsed):
        if words and words[0] in ("study", "train", "relate", "curve"):
            command.main(spread(words, SEVERAL), "polytask", standalone_mode=False)
        else:
            with command.make_context("polytask", spread(words, SEVERAL)) as context:
                name, inner, rest = command.resolve_command(context, [*getattr(context, "_protected_args", ()), *context.args])
                inner.make_context(name, rest, parent=context)
    return found


def read_idx(data: bytes) -> object:
    """Parse an IDX file of one to three dimensions."""
    return parse_idx(data[1:], data[0] % 3 + 1 if data else 1, "fuzzed")


def read_frame(data: bytes) -> object:
    """Decide about a frame whose columns are the lines of a text, as far as they are long enough."""
    rows = [line.split(",") for line in data.decode("utf-8", "replace").splitlines()]
    frame = pd.DataFrame({row[0]: [value_of(cell) for cell in cells] for row, cells in zip(rows, columns(rows), strict=True) if row})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pt.verdict(frame)


def columns(rows: list[list[str]]) -> list[tuple[str, ...]]:
    """Return the cells of each row, filled up to the same number."""
    return list(zip(*zip_longest(*(row[1:] for row in rows), fillvalue=""), strict=True)) or [() for _ in rows]


def value_of(cell: str) -> object:
    """Return a cell as a value of Python: a number, a missing value, or a text."""
    try:
        return None if not cell else float(cell) if "." in cell else int(cell)
    except ValueError:
        return cell


def sample(schema: dict[str, Any], of: dict[str, Any]) -> object:
    """Return an example of a JSON schema."""
    if "$ref" in schema:
        return sample(of[schema["$ref"].rpartition("/")[2]], of)
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], of)
    if "prefixItems" in schema:
        return [sample(inner, of) for inner in schema["prefixItems"]]
    match schema.get("type"):
        case "object":
            own = {name: sample(inner, of) for name, inner in schema.get("properties", {}).items()}
            more = schema.get("additionalProperties")
            return own | ({"task": sample(more, of)} if isinstance(more, dict) else {})
        case "array":
            return [sample(schema.get("items", {}), of)]
        case kind:
            return {"integer": 1, "number": 0.5, "boolean": True, "string": schema.get("enum", ["text"])[0]}.get(str(kind))


def json_seeds() -> list[bytes]:
    """Return an example of every JSON file of a run."""
    found = []
    for number, kind in enumerate(FILES):
        schema = kind.model_json_schema()
        found.append(bytes([number]) + json.dumps(sample(schema, schema.get("$defs", {}))).encode())
    return [*found, bytes([len(FILES)]) + b'{"epoch": 1, "epochs": 2, "step": 3, "steps": 4, "losses": {"a": 0.5}}']


def table_seeds() -> list[bytes]:
    """Return tables of several forms."""
    text = b'a,b,c\n1,x,2024-01-31\n2.5,"y, z",2024-02-01\n,,\n'
    frame = pd.DataFrame({"a": [1.0, None], "b": ["x", "y"], "c": [1, 2]})
    parquet, feather = folder() / "seed.parquet", folder() / "seed.feather"
    frame.to_parquet(parquet)
    frame.to_feather(feather)
    lines = b'{"a": 1, "b": "x"}\n{"a": 2.5, "b": null}\n'
    return [b"\0" + text, b"\1" + text.replace(b",", b"\t"), b"\4" + lines, b"\5" + parquet.read_bytes(), b"\6" + feather.read_bytes()]


def frame_seeds() -> list[bytes]:
    """Return frames of predictions of numbers and of classes."""
    arms, seeds, units = ["single", "equal"], range(2), range(4)
    keys = [(arm, seed, unit) for arm in arms for seed in seeds for unit in units]
    digits = [hashlib.sha256(repr(key).encode()).digest()[0] for key in keys]
    head = [",".join(["arm", *(arm for arm, _, _ in keys)]), ",".join(["seed", *(str(seed) for _, seed, _ in keys)])]
    head += [",".join(["task", *("a" for _ in keys)]), ",".join(["unit", *(str(unit) for _, _, unit in keys)])]
    numbers = [",".join(["target", *(f"{unit}.5" for _, _, unit in keys)]), ",".join(["prediction", *(f"{digit}.25" for digit in digits)])]
    classes = [
        ",".join(["target", *("uv"[unit % 2] for _, _, unit in keys)]),
        ",".join(["prediction", *("uv"[digit % 2] for digit in digits)]),
    ]
    return ["\n".join([*head, *own]).encode() for own in (numbers, classes)]


STUDY = b"""tables:
  t: {file: t.csv, targets: {a: null, b: regression}, weights: {a: 2}}
arms: [single, equal, "cagrad(c=0.5)@mmoe(experts=4)"]
seeds: 5
margins: {a: 0.1}
training: {epochs: 3, lr: 1.0e-3, optimizer_options: {eps: 1.0e-6}}
"""
COMMANDS = (
    b"study t.csv --targets a b --seeds 5 --arms single,equal --epochs 3 --out out",
    b"train t.csv --targets a b --weights a=2 --kind 'a=ordinal(classes=[S, M, L])' --set training.optimizer_options.eps=1e-6",
    b"relate mnist-fashion --size sample --measures cosine -q",
    b"curve t.csv --targets a b --shares 1/2,1 --lr 0.1 --threads 1",
    b"predict run t.csv --out predicted.csv",
    b"verdict run --baseline single",
    b"methods balancer",
)
STUDY_MODULES = ("polytask.options", "polytask.cli.build_config", "polytask.registry.parsing", "polytask.storage.json_yaml")
JSON_MODULES = ("polytask.run_files", "polytask.storage.json_yaml", "polytask.studies.execution.study_progress")
MODEL_MODULES = ("polytask.training.network_file", "polytask.artifacts", "polytask.storage.state_folder")
IDX = (b"\0\0\0\x08\x01\0\0\0\x02\x07\x09", b"\x02\0\0\x08\x03\0\0\0\x01\0\0\0\x01\0\0\0\x01\x05")
OF_TABLES = (b'"', b"\n", b"\r", b",", b"NA", b"1e999", b"\xef\xbb\xbf", b"\0", b"inf", b"2024-13-45", b"true", b"007", b"9" * 30)
OF_YAML = (b"&a ", b"*a", b"!!", b"- ", b": ", b"{", b"[", b"null", b".inf", b"1e999", b"race: true\n", b"looks: [3, 5]\n", b"minutes: 1\n")
OF_JSON = (b"NaN", b"Infinity", b"1e999", b"null", b"[", b"{", b"-1", b'""', b"9" * 400, b'"os:system"', b"999999999999")
OF_SHELLS = (b" --", b" -", b"=", b"''", b" --help", b" --set ", b" --targets ", b"nan", b"-1", b"1e999", b"((", b",", b"\xf0\x9f\x92\xa5")
OF_FRAMES = (b"\nprobability,0.5", b"\ngroup,g", b"\nsplit,0", b"nan", b"1e999", b",,", b"-1", b"1e308", b".0")
TARGETS: dict[str, Target] = {
    "table": Target(read_table, table_seeds, ("polytask.data.reading",), OF_TABLES),
    "study": Target(read_study, lambda: [STUDY], STUDY_MODULES, OF_YAML),
    "json": Target(read_json_file, json_seeds, JSON_MODULES, OF_JSON),
    "model": Target(read_model, lambda: [(model() / "values.json").read_bytes()], MODEL_MODULES, OF_JSON),
    "idx": Target(read_idx, lambda: list(IDX), ("polytask.datasets.idx_format",), (b"\xff\xff\xff\xff", b"\0\0\0\0")),
    "arguments": Target(read_arguments, lambda: list(COMMANDS), ("polytask.cli",), OF_SHELLS),
    "frame": Target(read_frame, frame_seeds, ("polytask.verdicts",), OF_FRAMES),
}
"""Every reader, by its name."""
