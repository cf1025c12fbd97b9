"""Rename attributes and methods: definitions by the syntax tree, uses where the type checker misses them.

    python tools/rename_members.py TABLE.json

The table has a list `members` with `owner` (module and class), `old` and `new`. The definition is renamed in the class and
its subclasses with every `self.old`; then mypy is run again and again, and each place where it finds no attribute or no
parameter of the old name is renamed, until nothing is left.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOTS = ("src", "tests", "benchmarks", "tools", "examples")
MYPY = [
    sys.executable,
    "-m",
    "mypy",
    "--show-error-end",
    "--no-error-summary",
    "--hide-error-context",
    "--no-pretty",
    "--show-column-numbers",
    "--show-absolute-path",
    "--disable-error-code=unused-ignore",
    "--cache-dir=/tmp/mypy_rename",
]


def files() -> list[Path]:
    return [path for root in ROOTS for path in Path(root).rglob("*.py")]


class Classes:
    def __init__(self) -> None:
        self.nodes: dict[str, list[tuple[Path, ast.ClassDef]]] = defaultdict(list)
        for path in files():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    self.nodes[node.name].append((path, node))
        self.bases = {name: {base_name(b) for _, node in found for b in node.bases} for name, found in self.nodes.items()}

    def family(self, name: str) -> set[str]:
        """The class and all that derive from it."""
        found = {name}
        while True:
            more = {own for own, bases in self.bases.items() if bases & found} - found
            if not more:
                return found
            found |= more

    def ancestors(self, name: str) -> set[str]:
        found, todo = set(), {name}
        while todo:
            found |= todo
            todo = {b for own in todo for b in self.bases.get(own, ())} - found
        return found


def base_name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return base_name(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


class Text:
    def __init__(self, path: Path) -> None:
        self.path, self.text = path, path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines(keepends=True)
        self.edits: set[tuple[int, int, str]] = set()

    def at(self, line: int, byte_column: int) -> int:
        return sum(map(len, self.lines[: line - 1])) + len(self.lines[line - 1].encode()[:byte_column].decode())

    def replace(self, start: int, old: str, new: str) -> bool:
        if self.text[start : start + len(old)] != old:
            return False
        self.edits.add((start, start + len(old), new))
        return True

    def save(self) -> None:
        text = self.text
        for start, end, new in sorted(self.edits, reverse=True):
            text = text[:start] + new + text[end:]
        if text != self.text:
            self.path.write_text(text, encoding="utf-8")


def define(classes: Classes, names: dict[str, dict[str, str]]) -> None:
    """Rename in the class bodies."""
    of_path: dict[Path, dict[int, tuple[ast.ClassDef, dict[str, str]]]] = defaultdict(dict)
    for owner, renames in names.items():
        for own in classes.family(owner):
            for path, node in classes.nodes.get(own, []):
                entry = of_path[path].setdefault(node.lineno, (node, {}))
                entry[1].update(renames)
    for path, found in of_path.items():
        text = Text(path)
        for node, renames in found.values():
            in_class(text, node, renames)
        text.save()


def in_class(text: Text, node: ast.ClassDef, renames: dict[str, str]) -> None:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name in renames:
            found = re.compile(r"def\s+").search(text.text, text.at(statement.lineno, statement.col_offset))
            assert found
            text.replace(found.end(), statement.name, renames[statement.name])
        targets = (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(statement, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and target.id in renames:
                text.replace(text.at(target.lineno, target.col_offset), target.id, renames[target.id])
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Attribute)
            and isinstance(inner.value, ast.Name)
            and inner.value.id in ("self", "cls")
            and inner.attr in renames
        ):
            text.replace(text.at(inner.end_lineno, inner.end_col_offset) - len(inner.attr), inner.attr, renames[inner.attr])
    doc = node.body[0]
    if isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant) and isinstance(doc.value.value, str):
        start, end = text.at(doc.lineno, doc.col_offset), text.at(doc.end_lineno, doc.end_col_offset)
        for old, new in renames.items():
            for found in re.finditer(rf"(?m)(?<=^        ){re.escape(old)}(?=: )|(?<=`){re.escape(old)}(?=`)", text.text[start:end]):
                text.replace(start + found.start(), old, new)


ERROR = re.compile(r"^(?P<path>[^:]+):(?P<l>\d+):(?P<c>\d+):(?P<el>\d+):(?P<ec>\d+): error: (?P<text>.*)$")
ATTRIBUTE = re.compile(r'(?:Item )?"(?:type\[)?(?P<cls>[\w.]+)(?:\[.*?\])?\]?".* has no attribute "(?P<old>\w+)"')
MODULE = re.compile(r'"(?:type\[)?(?P<cls>[\w.]+)')
KEYWORD = re.compile(r'Unexpected keyword argument "(?P<old>\w+)" for "(?P<cls>[\w.]+)"')


def fix(classes: Classes, names: dict[str, dict[str, str]], output: str) -> int:
    texts: dict[Path, Text] = {}
    fixed = 0
    for line in output.splitlines():
        error = ERROR.match(line)
        if error is None:
            continue
        said = ATTRIBUTE.search(error["text"]) or KEYWORD.search(error["text"])
        if said is None:
            continue
        cls, old = said["cls"].rpartition(".")[2], said["old"]
        new = next((names[own][old] for own in classes.ancestors(cls) if old in names.get(own, {})), None)
        if new is None and cls in ("object",):
            continue
        if new is None:
            continue
        path = Path(error["path"])
        text = texts.setdefault(path, Text(path))
        if KEYWORD.search(error["text"]):
            fixed += keyword(text, int(error["l"]), old, new)
        else:
            end = text.at(int(error["el"]), 0) + int(error["ec"])
            fixed += text.replace(end - len(old), old, new) or text.replace(text.at(int(error["l"]), 0) + int(error["c"]) - 1, old, new)
    for text in texts.values():
        text.save()
    return fixed


def keyword(text: Text, line: int, old: str, new: str) -> bool:
    for node in ast.walk(ast.parse(text.text)):
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or 0):
            for word in node.keywords:
                if word.arg == old and node.lineno == line:
                    return text.replace(text.at(word.lineno, word.col_offset), old, new)
    return False


def main() -> None:
    data = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for row in data["members"]:
        names[row["owner"].rpartition(".")[2]][row["old"]] = row["new"]
    classes = Classes()
    for owner in names:
        if owner not in classes.nodes:
            print("no such class:", owner)
        elif len(classes.nodes[owner]) > 1:
            print("several classes:", owner, [str(p) for p, _ in classes.nodes[owner]])
    define(classes, names)
    for attempt in range(8):
        done = subprocess.run(MYPY, capture_output=True, text=True)
        Path("/tmp/mypy_members.txt").write_text(done.stdout + done.stderr)
        fixed = fix(classes, names, done.stdout)
        print(attempt, len(done.stdout.splitlines()), "errors,", fixed, "renamed", flush=True)
        if not fixed:
            break


if __name__ == "__main__":
    main()
