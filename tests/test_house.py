"""What can be counted of how the house is built."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from copy import copy
from functools import cache
from graphlib import TopologicalSorter
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib.externals.loky.backend import reduction

import polytask
from polytask import errors
from polytask.errors import ConfigError, PolytaskError
from polytask.registry import GROUPS, ComponentSpec, all_specs, find, load_class, names, specs_of

SOURCE = Path(polytask.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
LEVELS = (
    {"errors", "registry", "seeds"},
    {"devices"},
    {"options"},
    {"storage", "data", "tasks", "encoders", "balancing", "loggers"},
    {"datasets", "run_files", "architectures", "gradients", "metrics"},
    {"training", "verdicts", "baselines", "train_functions", "bridges"},
    {"relatedness", "table_arms"},
    {"estimators"},
    {"studies"},
    {"report", "artifacts"},
    {"cli"},
)
LEVEL = {package: number for number, packages in enumerate(LEVELS) for package in packages}
LONGEST_FUNCTION, LONGEST_FILE = 50, 350
MOST_PARAMETERS = 8
MANY_OPTIONS = {
    "predict.predict_command": 9,  # of a command line
    "fit_model.fit": 14,
    "fit_model.build_loop": 9,
    "engine.__init__": 12,
    "compute_verdict.verdict": 10,
    "estimator.__init__": 21,  # scikit-learn wants every option as a parameter of the constructor
    "base.__init__": 17,
    "tabular_encoder.__init__": 9,
}
"""Public calls whose options are keywords with defaults, and how many parameters they have."""


@cache
def tree_of(path: Path) -> ast.Module:
    """What a file says, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"))


MOST_SIBLINGS, CATALOGS = 13, {"balancing/gradient_based": 25, "balancing/loss_based": 25, "encoders": 25, "tasks": 25}
"""A folder has some twelve files and folders; one with a component per file may have more."""


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_a_folder_can_be_taken_in_at_a_glance(folder: Path) -> None:
    siblings = {path.relative_to(folder).parts[0] for path in FILES if path.is_relative_to(folder)} - {"__init__.py", "__main__.py"}
    most = CATALOGS.get(str(folder.relative_to(SOURCE)), MOST_SIBLINGS)
    assert folder == SOURCE or len(siblings) <= most, sorted(siblings)


def test_no_file_name_stands_twice() -> None:
    """But for the base of a package; a file of a command has the command's name."""
    names = [path.name for path in FILES if package_of(path) != "cli" and path.name not in ("__init__.py", "base.py")]
    assert not {name for name in names if names.count(name) > 1}


def test_no_public_class_or_function_stands_twice() -> None:
    found: dict[str, list[Path]] = {}
    for path in FILES:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_") and package_of(path) != "cli":
                found.setdefault(node.name, []).append(path)
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("package", sorted({path.parent for path in FILES}), ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_no_public_name_is_also_a_module(package: Path) -> None:
    """Whatever was imported before, the name means the same."""
    module = importlib.import_module(".".join(["polytask", *package.relative_to(SOURCE).parts]))
    inside = {path.stem if path.suffix else path.name for path in package.iterdir()}
    lazy = set(getattr(module, "_MODULES", ()))
    assert not (set(getattr(module, "__all__", ())) - lazy) & inside


def package_of(path: Path) -> str:
    """The package (or top-level module) that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def for_every_file(check: Callable[[Path], None]) -> Callable[[str], None]:
    """Make one test per package of a check of a file; the file is named where the check fails."""

    @pytest.mark.parametrize("package", sorted({package_of(path) for path in FILES}))
    def test(package: str) -> None:
        for path in FILES:
            if package_of(path) == package:
                try:
                    check(path)
                except AssertionError as error:
                    raise AssertionError(f"{path.relative_to(SOURCE)}: {error}") from error

    return test


def imports_of(path: Path) -> Iterator[str]:
    """The packages of polytask that a file imports, wherever in it."""
    for node in ast.walk(tree_of(path)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "polytask" else [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("polytask."))


@for_every_file
def test_imports_point_one_way(path: Path) -> None:
    package = package_of(path)
    if package in ("__init__", "__main__"):
        return
    for other in imports_of(path):
        if other not in (package, "__version__"):
            assert LEVEL[other] < LEVEL[package] or (package, other) == ("registry", "errors"), f"{package} imports {other}"


def test_no_import_is_relative() -> None:
    """The directions above are read from absolute names."""
    for path in FILES:
        tree = tree_of(path)
        assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level], path


def test_packages_import_each_other_in_no_circle() -> None:
    of: dict[str, set[str]] = {}
    for path in FILES:
        of.setdefault(package_of(path), set()).update(set(imports_of(path)) - {package_of(path), "__version__"})
    del of["__init__"], of["__main__"]
    list(TopologicalSorter(of).static_order())  # raises CycleError


def top_level_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of a file that run when it is imported, and those under `if TYPE_CHECKING`."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else [node]


def test_files_import_each_other_in_no_circle() -> None:
    """Imports at the top of files, those for type checkers included: an import inside a function runs when both files are loaded."""
    modules = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    of: dict[str, set[str]] = {}
    for module, path in modules.items():
        of[module] = set()
        for node in top_level_statements(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module != "polytask":
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & modules.keys()
                of[module] |= inner or ({node.module} & modules.keys())
    list(TopologicalSorter(of).static_order())


def test_every_package_has_its_level() -> None:
    assert {package_of(path) for path in FILES} - {"__init__", "__main__"} <= set(LEVEL)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("module", ["polytask.tasks", "polytask.metrics", "polytask.verdicts.compute_verdict"])
def test_what_reads_predictions_does_not_wait_for_torch(module: str) -> None:
    program = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("module", ["polytask", "polytask.errors", "polytask.registry", "polytask.seeds", "polytask.cli"])
def test_light_modules_import_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(sorted({{'torch', 'pandas', 'scipy', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_only_training_loads_the_compiler() -> None:
    program = "import sys, polytask.artifacts, polytask.report, polytask.cli.commands.study; print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_functions_have_few_parameters() -> None:
    found = {
        f"{path.stem}.{node.name}": sum(argument.arg not in ("self", "cls") for argument in (*node.args.args, *node.args.kwonlyargs))
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: count for name, count in found.items() if count > MOST_PARAMETERS} == MANY_OPTIONS


@for_every_file
def test_files_and_functions_fit_on_a_screen(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            documented = isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
            docstring = (node.body[0].end_lineno or 0) - node.body[0].lineno + 1 if documented else 0
            assert (node.end_lineno or 0) - node.lineno + 1 - docstring <= LONGEST_FUNCTION, node.name


@for_every_file
def test_nothing_unsafe_and_nothing_printed(path: Path) -> None:
    tree = tree_of(path)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {f"{node.module}.{alias.name}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib.load", "joblib.dump"} & {
        part for name in imported for part in (name, name.split(".")[0])
    }
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)} | imported
    assert not {"eval", "exec", "torch.load", "torch.save", "__import__", "joblib.load", "builtins.eval", "builtins.exec"} & names
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.type is None]
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    if package_of(path) != "cli":
        assert "print" not in calls


@for_every_file
def test_what_is_public_says_what_it_is(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree), "the module"
    public = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")]
    methods = [
        inner
        for node in public
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_")
    ]
    nameless = [node.name for node in (*public, *methods) if not ast.get_docstring(node)]
    # Overloads and the stubs of typing have no body to document.
    overloads = {node.name for node in methods if any("overload" in ast.unparse(d) for d in node.decorator_list)}
    assert not set(nameless) - overloads


def words_of(node: ast.AST) -> list[object]:
    """The constants that a literal is or holds; None for a part that is no constant."""
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return [part.value if isinstance(part, ast.Constant) else None for part in parts]


def branches_on(tree: ast.AST, known: set[str]) -> list[int]:
    """Lines that ask which of these words something is: comparisons, membership, cases, tables with such keys, lists of such words."""
    lines = []
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                words = [word for side in (node.left, *node.comparators) for word in words_of(side)]
                lines += [node.lineno] if known & {word for word in words if isinstance(word, str)} else []
            case ast.MatchValue(value=ast.Constant(value=str(word))):
                lines += [node.lineno] if word in known else []
            case ast.Dict(keys=[_, *_]):
                keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
                lines += [node.lineno] if set(keys) <= known else []
            case ast.Tuple() | ast.List() | ast.Set():
                words = words_of(node)
                lines += [node.lineno] if len(words) > 1 and set(words) <= known else []
    return lines


def asks_for_class(tree: ast.AST, classes: set[str]) -> list[int]:
    """Lines that ask whether something is of one of these classes."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass")
        if {part.rpartition(".")[2] for part in re.split(r"[^\w.]+", ast.unparse(node.args[1]))} & classes
    ]


def classes_of(group: str) -> set[str]:
    """The names of the classes of a group's components."""
    return {row.target.rpartition(":")[2] for row in specs_of(group)}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('task.kind == "binary"', True),
        ('kind in ("binary", "tagging")', True),
        ('{"binary": 1, "count": 2}', True),
        ('KINDS = ("binary", "count")', True),
        ('match kind:\n case "binary": pass', True),
        ("isinstance(task, Ordinal)", True),
        ("isinstance(task, (tasks.Ordinal, Other))", True),
        ('{"count": 1, "total": 2}', False),
        ('frame.agg(["mean", "count"])', False),
        ('raise ConfigError("a chain is of binary tasks", found="binary")', False),
        ('def fit(kind: str = "binary"): ...', False),
        ("isinstance(task, Task)", False),
    ],
)
def test_branches_on_kinds_are_seen(line: str, found: bool) -> None:
    tree = ast.parse(line)
    assert bool(branches_on(tree, {"binary", "count", "tagging"}) or asks_for_class(tree, {"Ordinal"})) is found


@for_every_file
def test_nobody_else_asks_which_kind_or_architecture_it_is(path: Path) -> None:
    for group, owner in (("task kind", "tasks"), ("architecture", "architectures")):
        if package_of(path) not in (owner, "registry"):
            assert not branches_on(tree_of(path), set(names(group))) + asks_for_class(tree_of(path), classes_of(group))


@for_every_file
def test_nobody_else_imports_one_way_of_sharing(path: Path) -> None:
    if package_of(path) not in ("architectures", "registry"):
        modules = {row.target.partition(":")[0] for row in specs_of("architecture")}
        nodes = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom)]
        assert not {node.module for node in nodes} & modules
        assert not {alias.name for node in nodes for alias in node.names} & classes_of("architecture")


@pytest.mark.parametrize("path", [path for path in FILES if package_of(path) in ("training", "gradients")], ids=lambda path: path.name)
def test_training_and_gradients_name_no_method(path: Path) -> None:
    """Neither a balancer, a wrapper nor a way of sharing: they ask what it needs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    methods = {row.name for group in ("balancer", "balancer wrapper", "architecture") for row in specs_of(group)}
    assert not methods & {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not imported & {name for group in ("balancer", "balancer wrapper", "architecture") for name in classes_of(group)}


@pytest.mark.parametrize("row", all_specs(), ids=lambda row: f"{row.group} {row.name}")
def test_every_row_resolves(row: ComponentSpec) -> None:
    component = load_class(row)
    assert inspect.isclass(component)
    assert component.__doc__


def test_rows_are_unique_and_known() -> None:
    rows = all_specs()
    assert len({(row.group, row.name) for row in rows}) == len(rows)
    assert {row.group for row in rows} == set(GROUPS)
    assert all(row.summary and "\n" not in row.summary for row in rows)
    assert all(row.name == row.name.lower().replace("_", "-").replace(" ", "-") for row in rows), "kebab case"


@pytest.mark.parametrize("row", all_specs(), ids=lambda row: f"{row.group} {row.name}")
def test_one_wrong_letter_finds_the_row_that_was_meant(row: ComponentSpec) -> None:
    assert find(row.group, row.name) is row
    misspellings = {row.name[:-1], row.name.upper(), f"{row.name}s", row.name[1] + row.name[0] + row.name[2:]} - {row.name}
    for misspelt in sorted(misspellings):
        with pytest.raises(ConfigError, match=rf"Did you mean [^?]*'{row.name}'") as caught:
            find(row.group, misspelt)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("group", "name", "meant"), [("balancer", "uncertanty", "uncertainty"), ("encoder", "Conv", "conv")])
def test_an_unknown_name_suggests_the_nearest(group: str, name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"Did you mean '{meant}'"):
        find(group, name)


@pytest.mark.parametrize("name", polytask.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(polytask, name) is not None


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        polytask.nonsense  # noqa: B018 - the look-up is the test


ERRORS = sorted(
    (kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PolytaskError)), key=lambda kind: kind.__name__
)
each_error = pytest.mark.parametrize("kind", ERRORS)


@each_error
def test_errors_cross_from_process_to_process(kind: type[PolytaskError]) -> None:
    error = kind("the rule\nis broken", where="file.csv, row 3", found=3.5, remedy="Mend it.")
    assert str(error) == "file.csv, row 3: the rule is broken (found 3.5). Mend it."
    for again in (copy(error), ForkingPickler.loads(ForkingPickler.dumps(error)), reduction.loads(reduction.dumps(error))):
        assert type(again) is kind
        assert str(again) == str(error)
        assert (again.what, again.where, again.found, again.remedy) == ("the rule\nis broken", "file.csv, row 3", 3.5, "Mend it.")


@each_error
def test_what_was_found_need_not_travel_for_the_message_to_arrive(kind: type[PolytaskError]) -> None:
    error = kind("no", found=threading.Lock())
    again = ForkingPickler.loads(ForkingPickler.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)


PIECES = st.text(max_size=20)


@given(what=PIECES, where=PIECES, found=st.none() | PIECES | st.floats(), remedy=PIECES)
@each_error
def test_errors_are_one_line(kind: type[PolytaskError], what: str, where: str, found: object, remedy: str) -> None:
    error = kind(what, where=where, found=found, remedy=remedy)
    assert len(str(error).splitlines()) <= 1
    assert str(ForkingPickler.loads(ForkingPickler.dumps(error))) == str(error)


def test_every_error_is_drawn_in_the_tree() -> None:
    assert errors.__doc__
    assert all(kind.__name__ in errors.__doc__ for kind in ERRORS)
