"""Move files and rename symbols over the whole repository, from a table.

    python tools/rename.py TABLE.json [TABLE.json ...] [--apply]

A table is a JSON object with the keys `files` (old path: new path), `symbols` (module-level names by their old module),
`members` (attributes and methods), `parameters` (of functions and classes), `packages` (new packages with their docstrings)
and `edits` (regular expressions for what no syntax tree shows: words in YAML, command lines, prose). Python names are
resolved through scopes and imports; strings, doctests and documents are changed where a name stands in code markup.
Without `--apply` the script only reports what it would do.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import io
import json
import keyword
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOTS = ("src", "tests", "benchmarks", "tools", "examples", "docs")
KEPT = ("tools/rename", "tools/recorded")  # they hold old names
TEXTS = (".md", ".toml", ".yaml", ".yml", ".j2", ".sh", ".cfg")
Origin = tuple[str, str]  # (module, name); a module itself has the name ""


@dataclass
class Table:
    files: dict[str, str] = field(default_factory=dict)
    symbols: dict[Origin, str] = field(default_factory=dict)
    members: list[dict[str, Any]] = field(default_factory=list)
    parameters: list[dict[str, Any]] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    edits: list[dict[str, str]] = field(default_factory=list)

    def add(self, data: dict[str, Any]) -> None:
        self.files |= data.get("files", {})
        for row in data.get("symbols", []):
            self.symbols[row["module"], row["old"]] = row["new"]
        self.members += data.get("members", [])
        self.parameters += data.get("parameters", [])
        self.packages |= data.get("packages", {})
        self.edits += data.get("edits", [])


def module_of(path: str) -> str:
    """`src/polytask/a/b.py` as `polytask.a.b`; files outside of src by their path."""
    parts = Path(path).with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass
class Repo:
    root: Path
    trees: dict[str, ast.Module] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    exports: dict[str, dict[str, Origin]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> Repo:
        repo = cls(root)
        listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
        for path in listed:
            if not (root / path).exists():
                continue
            if path.endswith(".py"):
                repo.texts[path] = (root / path).read_text(encoding="utf-8")
                repo.trees[path] = ast.parse(repo.texts[path])
                repo.modules[module_of(path)] = path
            elif path.endswith(TEXTS) or path in ("Makefile", ".ci/run"):
                repo.texts[path] = (root / path).read_text(encoding="utf-8")
        for module, path in repo.modules.items():
            repo.exports[module] = dict(repo._bound(module, repo.trees[path]))
        return repo

    def _bound(self, module: str, tree: ast.Module) -> Iterator[tuple[str, Origin]]:
        for node in statements(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                yield node.name, (module, node.name)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    for name in ast.walk(target):
                        if isinstance(name, ast.Name):
                            yield name.id, (module, name.id)
                            if name.id == "_NAMES" and isinstance(node.value, ast.Dict):
                                for key, value in zip(node.value.keys, node.value.values, strict=True):
                                    if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                                        yield str(key.value), (str(value.value), str(key.value))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id, (module, node.target.id)
            elif isinstance(node, ast.TypeAlias if hasattr(ast, "TypeAlias") else ()):
                yield node.name.id, (module, node.name.id)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    yield alias.asname or alias.name, (node.module, alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.asname or alias.name.split(".")[0], (alias.name if alias.asname else alias.name.split(".")[0], "")

    def resolve(self, module: str, name: str, seen: frozenset[Origin] = frozenset()) -> Origin:
        """Where a name that a module offers is defined."""
        if not name:
            return module, ""
        found = self.exports.get(module, {}).get(name)
        if found == (module, name):
            return found
        if found is None:
            return (f"{module}.{name}", "") if f"{module}.{name}" in self.modules else (module, name)
        return found if found in seen else self.resolve(*found, seen | {found})


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Statements of a scope, also inside of if, try, with and loops; not those of nested scopes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from (inner for inner in statements(node))


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Edit = tuple[int, int, str]


class Scopes(ast.NodeVisitor):
    """Finds what every name of a file stands for, and gathers edits."""

    def __init__(self, repo: Repo, path: str, table: Table) -> None:
        self.repo, self.path, self.table = repo, path, table
        self.module = module_of(path)
        self.text = repo.texts[path]
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.lines = self.text.splitlines()
        self.edits: set[Edit] = set()
        self.stack: list[tuple[str, dict[str, Origin | None]]] = []
        self.renamed: dict[str, str] = {}
        self.clashes: set[str] = set()

    def offset(self, line: int, column: int) -> int:
        """Positions of the syntax tree count bytes of UTF-8."""
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def put(self, line: int, column: int, old: str, new: str) -> None:
        start = self.offset(line, column)
        assert self.text[start : start + len(old)] == old, (self.path, line, old, self.text[start : start + 30])  # noqa: S101
        self.edits.add((start, start + len(old), new))

    def run(self) -> None:
        tree = self.repo.trees[self.path]
        self.scope("module", tree, self.bindings(tree))

    def bindings(self, node: ast.AST) -> dict[str, Origin | None]:
        bound: dict[str, Origin | None] = {}
        for statement in statements(node):
            if isinstance(statement, ast.ImportFrom) and statement.module:
                for alias in statement.names:
                    bound[alias.asname or alias.name] = self.repo.resolve(statement.module, alias.name)
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    bound[alias.asname or alias.name.split(".")[0]] = (alias.name if alias.asname else alias.name.split(".")[0], "")
            elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                bound[statement.name] = (self.module, statement.name) if isinstance(node, ast.Module) else None
        for name in stored(node):
            bound.setdefault(name, (self.module, name) if isinstance(node, ast.Module) else None)
        return bound

    def scope(self, kind: str, node: ast.AST, bound: dict[str, Origin | None]) -> None:
        self.stack.append((kind, bound))
        for child in ast.iter_child_nodes(node):
            self.visit(child)
        self.stack.pop()

    def find(self, name: str) -> Origin | None:
        for depth, (kind, bound) in enumerate(reversed(self.stack)):
            if kind == "class" and depth:
                continue
            if name in bound:
                return bound[name]
        return None

    def origin(self, node: ast.expr) -> Origin | None:
        if isinstance(node, ast.Name):
            return self.find(node.id)
        if isinstance(node, ast.Attribute):
            value = self.origin(node.value)
            if value is not None and value[1] == "":
                return self.repo.resolve(value[0], node.attr)
        return None

    def new_name(self, origin: Origin | None) -> str | None:
        if origin is None:
            return None
        if origin[1] == "":  # a module
            old_path = self.repo.modules.get(origin[0])
            return (
                None if old_path is None or old_path not in self.table.files else module_of(self.table.files[old_path]).rpartition(".")[2]
            )
        return self.table.symbols.get(origin)

    def rename(self, old: str, new: str) -> None:
        self.renamed[old] = new
        if any(new in bound for _, bound in self.stack) or hasattr(builtins, new) or keyword.iskeyword(new):
            self.clashes.add(f"{self.path}: {old} -> {new}: the new name is bound there already")

    def visit_Name(self, node: ast.Name) -> None:
        new = self.new_name(self.find(node.id))
        origin = self.find(node.id)
        if new is not None and origin is not None and origin[1] == "" and not self.own_alias(node.id):
            return
        if new is not None and new != node.id and (origin is None or origin[1] in ("", node.id)):
            self.put(node.lineno, node.col_offset, node.id, new)
            self.rename(node.id, new)

    def own_alias(self, name: str) -> bool:
        """Whether a module's name was bound by `from package import module`, without another name."""
        for statement in ast.walk(self.repo.trees[self.path]):
            if isinstance(statement, ast.ImportFrom) and any(a.name == name and a.asname is None for a in statement.names):
                return True
        return False

    def visit_Attribute(self, node: ast.Attribute) -> None:
        new = self.new_name(self.origin(node))
        if new is not None and new != node.attr:
            line, column = node.end_lineno or 0, (node.end_col_offset or 0) - len(node.attr.encode())
            self.put(line, column, node.attr, new)
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.module:
            return
        for alias in node.names:
            origin = self.repo.resolve(node.module, alias.name)
            new = self.new_name(origin)
            if origin[1] != "" and new is not None and new != alias.name:
                self.put(alias.lineno, alias.col_offset, alias.name, new)
                if alias.asname is None:
                    self.rename(alias.name, new)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.definition(node, "def")
        for outer in (*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d), *annotations(node.args)):
            self.visit(outer)
        if node.returns is not None:
            self.visit(node.returns)
        bound = dict.fromkeys(arguments(node.args)) | self.bindings(node)
        self.stack.append(("function", bound))
        for statement in node.body:
            self.visit(statement)
        self.stack.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            for item in ast.walk(node.value):
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    new = self.new_name(self.find(item.value))
                    if new is not None:
                        start = self.offset(item.lineno, item.col_offset)
                        self.edits.add((start + 1, start + 1 + len(item.value), new))
        self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for outer in (*node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.visit(outer)
        self.stack.append(("function", dict.fromkeys(arguments(node.args))))
        self.visit(node.body)
        self.stack.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.definition(node, "class")
        for outer in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outer)
        self.stack.append(("class", self.bindings(node)))
        for statement in node.body:
            self.visit(statement)
        self.stack.pop()

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, word: str) -> None:
        if len(self.stack) == 1 and (new := self.table.symbols.get((self.module, node.name))):
            found = re.compile(rf"{word}\s+").search(self.text, self.offset(node.lineno, node.col_offset))
            assert found is not None  # noqa: S101
            self.edits.add((found.end(), found.end() + len(node.name), new))
            self.rename(node.name, new)

    def comprehension(self, node: Any) -> None:  # noqa: ANN401
        bound = {name.id: None for generator in node.generators for name in ast.walk(generator.target) if isinstance(name, ast.Name)}
        self.stack.append(("function", bound))
        for child in ast.iter_child_nodes(node):
            self.visit(child)
        self.stack.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension  # noqa: N815


def annotations(args: ast.arguments) -> list[ast.expr]:
    every = [
        *args.posonlyargs,
        *args.args,
        *args.kwonlyargs,
        *([args.vararg] if args.vararg else []),
        *([args.kwarg] if args.kwarg else []),
    ]
    return [arg.annotation for arg in every if arg.annotation is not None]


def arguments(args: ast.arguments) -> list[str]:
    every = [
        *args.posonlyargs,
        *args.args,
        *args.kwonlyargs,
        *([args.vararg] if args.vararg else []),
        *([args.kwarg] if args.kwarg else []),
    ]
    return [arg.arg for arg in every]


def stored(node: ast.AST) -> Iterator[str]:
    """Names that are assigned in a scope itself."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store | ast.Del):
            yield child.id
        if isinstance(child, ast.ExceptHandler) and child.name:
            yield child.name
        if isinstance(child, ast.MatchAs | ast.MatchStar) and child.name:
            yield child.name
        if not isinstance(child, (*FUNCTIONS, ast.ClassDef, *COMPREHENSIONS)):
            yield from stored(child)
        elif isinstance(child, COMPREHENSIONS):
            yield from (walrus.target.id for walrus in ast.walk(child) if isinstance(walrus, ast.NamedExpr))


def apply_edits(text: str, edits: set[Edit]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


DOTTED = re.compile(r"\bpolytask(?:\.\w+)+(?::\w+)?")
CODE = re.compile(r"(```.*?```|`[^`\n]+`|^\s*(?:>>>|\.\.\.) .*$)", re.DOTALL | re.MULTILINE)


def dotted(repo: Repo, table: Table, text: str) -> str:
    """`polytask.module.Name` and `polytask:module` wherever they stand."""

    def new(found: re.Match[str]) -> str:
        whole, colon, attribute = found[0].partition(":")
        parts, rest = whole.split("."), ([attribute] if colon else [])
        imported = re.search(r"\b(from|import) $", text[: found.start()]) is not None
        if not imported and not rest and repo.resolve(".".join(parts[:-1]), parts[-1])[1] and ".".join(parts[:-1]) in repo.modules:
            rest.insert(0, parts.pop())  # a function, although a module has its name
        while ".".join(parts) not in repo.modules and parts:
            rest.insert(0, parts.pop())
        module = ".".join(parts)
        path = repo.modules.get(module)
        if path is None:
            return found[0]
        if rest:
            origin = repo.resolve(module, rest[0])
            rest[0] = table.symbols.get(origin, rest[0])
            if path not in table.files and module in SPLIT:
                module = package_now(repo, table, origin) or module
        moved = module_of(table.files[path]) if path in table.files else module
        return f"{moved}:{rest[0]}" if colon else ".".join((moved, *rest))

    return DOTTED.sub(new, text)


SPLIT: set[str] = set()


def package_now(repo: Repo, table: Table, origin: Origin) -> str | None:
    path = repo.modules.get(origin[0])
    return None if path is None else module_of(table.files.get(path, path)).rpartition(".")[0]


def import_statements(repo: Repo, table: Table, path: str) -> set[Edit]:
    """Imports of modules from packages, and of names from packages that are split."""
    scopes = Scopes(repo, path, table)
    edits: set[Edit] = set()
    for node in ast.walk(repo.trees[path]):
        if not isinstance(node, ast.ImportFrom) or not node.module or not node.module.startswith("polytask"):
            continue
        groups: dict[str, list[str]] = defaultdict(list)
        special = False
        for alias in node.names:
            origin = repo.resolve(node.module, alias.name)
            said = f" as {alias.asname}" if alias.asname else ""
            if origin[1] == "" and origin[0] in repo.modules and f"{node.module}.{alias.name}" == origin[0]:
                old = repo.modules[origin[0]]
                moved = module_of(table.files.get(old, old))
                special = special or old in table.files
                groups[moved.rpartition(".")[0]].append(moved.rpartition(".")[2] + said)
            elif node.module in SPLIT:
                special = True
                groups[package_now(repo, table, origin) or node.module].append(table.symbols.get(origin, alias.name) + said)
            else:
                old = repo.modules.get(node.module, "")
                groups[module_of(table.files.get(old, old)) if old else node.module].append(table.symbols.get(origin, alias.name) + said)
        if special:
            start, end = scopes.offset(node.lineno, node.col_offset), scopes.offset(node.end_lineno or 0, node.end_col_offset or 0)
            indent = "\n" + " " * node.col_offset
            edits.add((start, end, indent.join(f"from {package} import {', '.join(names)}" for package, names in sorted(groups.items()))))
    return edits


def tokens_in(text: str, words: dict[str, str]) -> str:
    """Rename NAME tokens of Python source, and words in code markup of its strings and comments."""
    out, last = [], 0
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        begin, end = starts[token.start[0] - 1] + token.start[1], starts[token.end[0] - 1] + token.end[1]
        if token.type == tokenize.NAME and token.string in words:
            out.append(text[last:begin] + words[token.string])
            last = end
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            out.append(text[last:begin] + marked(token.string, words))
            last = end
    return "".join(out) + text[last:]


def marked(text: str, words: dict[str, str]) -> str:
    """Rename words in code markup: backticks, fences, doctests; and attribute documentation (`    name: …`)."""
    if not words:
        return text
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b")
    text = CODE.sub(lambda found: pattern.sub(lambda word: words[word[0]], found[0]), text)
    entry = re.compile(rf"^(\s{{8,}})({'|'.join(map(re.escape, words))})(?=: )", re.MULTILINE)
    return entry.sub(lambda found: found[1] + words[found[2]], text)


def defined_once(repo: Repo) -> dict[str, int]:
    """How often a name is bound anywhere: as a definition, parameter, variable, attribute or keyword."""
    count: dict[str, set[str]] = defaultdict(set)
    for path, tree in repo.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                count[node.name].add(f"{path}:{node.lineno}")
            elif isinstance(node, ast.arg):
                count[node.arg].add(f"{path}:{node.lineno}")
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                count[node.id].add(f"{path}:{node.lineno}")
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                count[node.attr].add(f"{path}:{node.lineno}")
    return {name: len(places) for name, places in count.items()}


def parameter_edits(repo: Repo, table: Table) -> dict[str, set[Edit]]:
    """Parameters in their functions, and keywords of calls."""
    found: dict[str, set[Edit]] = defaultdict(set)
    by_function: dict[str, dict[str, str]] = defaultdict(dict)
    homes: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in table.parameters:
        module, _, name = row["function"].rpartition(".")
        owner = None
        if module not in repo.modules:  # a method
            module, _, owner = module.rpartition(".")
        called = owner if name == "__init__" and owner else name
        by_function[called][row["old"]] = row["new"]
        homes[module, f"{owner}.{name}" if owner else name][row["old"]] = row["new"]
    for path, tree in repo.trees.items():
        scopes = Scopes(repo, path, table)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
                for word in node.keywords:
                    if word.arg and word.arg in by_function.get(called, {}):
                        at = scopes.offset(word.lineno, word.col_offset)
                        found[path].add((at, at + len(word.arg), by_function[called][word.arg]))
        for name, function in functions_of(tree):
            names = homes.get((module_of(path), name))
            if names:
                _inside(scopes, function, names, found[path])
    return found


def functions_of(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in statements(node):
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def _inside(scopes: Scopes, function: ast.FunctionDef | ast.AsyncFunctionDef, names: dict[str, str], edits: set[Edit]) -> None:
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg in names:
            at = scopes.offset(node.lineno, node.col_offset)
            edits.add((at, at + len(node.arg), names[node.arg]))
        elif isinstance(node, ast.Name) and node.id in names:
            at = scopes.offset(node.lineno, node.col_offset)
            edits.add((at, at + len(node.id), names[node.id]))
    doc = function.body[0]
    if isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant) and isinstance(doc.value.value, str):
        start, end = scopes.offset(doc.lineno, doc.col_offset), scopes.offset(doc.end_lineno or 0, doc.end_col_offset or 0)
        text = scopes.text[start:end]
        for old, new in names.items():
            for match in re.finditer(
                rf"(?m)(?<=^            ){re.escape(old)}(?=: )|(?<=`){re.escape(old)}(?=`)|(?<=^        ){re.escape(old)}(?=: )", text
            ):
                edits.add((start + match.start(), start + match.end(), new))


def main() -> int:
    arguments_ = argparse.ArgumentParser(description=__doc__)
    arguments_.add_argument("tables", nargs="+", type=Path)
    arguments_.add_argument("--apply", action="store_true")
    arguments_.add_argument("--split", nargs="*", default=[], help="packages whose names are imported from where they are defined now")
    asked = arguments_.parse_args()
    SPLIT.update(asked.split)
    table = Table()
    for path in asked.tables:
        table.add(json.loads(path.read_text(encoding="utf-8")))
    root = Path.cwd()
    repo = Repo.read(root)
    report = check(repo, table)
    new_texts, clashes = rewritten(repo, table)
    report += clashes
    print("\n".join(report))
    if asked.apply:
        write(root, repo, table, new_texts)
    return 0


def check(repo: Repo, table: Table) -> list[str]:
    report = [f"no such file: {old}" for old in table.files if not (repo.root / old).exists()]
    report += [f"no such symbol: {module}.{old}" for module, old in table.symbols if repo.exports.get(module, {}).get(old) != (module, old)]
    targets = defaultdict(list)
    for old, new in table.files.items():
        targets[new].append(old)
    report += [f"two files to {new}: {olds}" for new, olds in targets.items() if len(olds) > 1]
    named = defaultdict(list)
    for path in repo.texts:
        new = table.files.get(path, path)
        if new.startswith("src/") and new.endswith(".py") and "/cli/" not in new:
            named[Path(new).name].append(new)
    return report + [
        f"one name: {paths}" for name, paths in named.items() if len(paths) > 1 and name not in ("__init__.py", "base.py", "__main__.py")
    ]


def rewritten(repo: Repo, table: Table) -> tuple[dict[str, str], list[str]]:
    counts = defined_once(repo)
    there = {name: new for name, new in table.symbols.items() if repo.exports.get(name[0], {}).get(name[1]) == name}
    once = {old: new for (_, old), new in there.items() if counts.get(old, 0) <= 1}
    global_words = {row["old"]: row["new"] for row in table.members if row.get("token_is_unique")}
    parameters = parameter_edits(repo, table)
    texts, clashes = {}, []
    for path, text in repo.texts.items():
        if path.endswith(".py"):
            scopes = Scopes(repo, path, table)
            scopes.run()
            imports = import_statements(repo, table, path)
            covered = [(start, end) for start, end, _ in imports]
            kept = {e for e in scopes.edits | parameters.get(path, set()) if not any(s <= e[0] < t for s, t in covered)}
            text = apply_edits(text, kept | imports)
            clashes += sorted(scopes.clashes)
            text = tokens_in(text, global_words)
            text = strings_in(text, once | scopes.renamed)
        else:
            text = marked(text, global_words | once)
        texts[path] = dotted(repo, table, text)
    return texts, clashes


def strings_in(text: str, words: dict[str, str]) -> str:
    """Words in code markup of strings and comments, and strings that are nothing but the word (`__all__`, getattr)."""
    if not words:
        return text
    out, last, starts = [], 0, [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            begin, end = starts[token.start[0] - 1] + token.start[1], starts[token.end[0] - 1] + token.end[1]
            bare = token.string.strip("\"'")
            new = marked(token.string, words)
            if new == token.string and re.fullmatch(r"[\w.]+|[\w\[\], .|]*\[[\w\[\], .|]*", bare):  # a type in quotes
                new = re.sub(r"\b[A-Z]\w*\b|^\w+_\w+$", lambda word: words.get(word[0], word[0]), token.string)
                new = new if bare not in words or "_" not in bare else token.string.replace(bare, words[bare])
            out.append(text[last:begin] + new)
            last = end
    return "".join(out) + text[last:]


def write(root: Path, repo: Repo, table: Table, texts: dict[str, str]) -> None:
    for path, text in texts.items():
        if text != repo.texts[path]:
            (root / path).write_text(text, encoding="utf-8")
    for old, new in table.files.items():
        if (root / old).exists() and old != new:
            (root / new).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "mv", old, new], cwd=root, check=True)
    for package, text in table.packages.items():
        target = root / package / "__init__.py"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            subprocess.run(["git", "add", str(target)], cwd=root, check=True)
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    for edit in table.edits:
        pattern = re.compile(edit["pattern"], re.MULTILINE)
        hits = 0
        for path in listed:
            if path.startswith(KEPT):
                continue
            if Path(path).match(edit["files"]) or any(Path(path).match(glob) for glob in edit["files"].split()):
                text = (root / path).read_text(encoding="utf-8")
                new, count = pattern.subn(edit["new"], text)
                hits += count
                if count:
                    (root / path).write_text(new, encoding="utf-8")
        if not hits:
            print(f"an edit without a hit: {edit}")


if __name__ == "__main__":
    sys.exit(main())
