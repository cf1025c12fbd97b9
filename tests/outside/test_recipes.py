"""What the texts say of writing components is so: their names exist, and their examples are complete."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

import polytask as pt
from polytask.balancing.building_blocks import random_stream
from polytask.registry import GROUPS
from polytask.registry.component import BASES
from polytask.registry.resolve import resolve

ROOT = Path(__file__).parents[2]
RECIPES = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TOUR = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
GROUP_ROWS = [line.split("|")[1:-1] for line in RECIPES.splitlines() if line.startswith("| `") and line.count("|") == 6]


def named(text: str) -> list[str]:
    """What stands between backticks, outside of blocks."""
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def knows(cls: Any, name: str) -> bool:
    return hasattr(cls, name) or any(name in vars(base).get("__annotations__", ()) for base in cls.__mro__)


def test_every_group_has_its_recipe() -> None:
    assert {named(row[0])[0].replace("-", " ") for row in GROUP_ROWS} == set(GROUPS)


@pytest.mark.parametrize("row", GROUP_ROWS, ids=lambda row: named(row[0])[0])
def test_the_names_of_a_recipe_exist(row: list[str]) -> None:
    group, path = named(row[0])[0].replace("-", " "), named(row[1])[0]
    base: Any = getattr(import_module(path.rpartition(".")[0]), path.rpartition(".")[2])
    assert f"{base.__module__}:{base.__qualname__}" == BASES[group]
    assert set(named(row[2])) <= {*base.component_context, *inspect.signature(base).parameters}
    assert all(knows(base, name) for name in named(row[3]) + named(row[4])), row
    abstract = set(getattr(base, "__abstractmethods__", ()))
    assert abstract <= set(named(row[3]))


@pytest.mark.parametrize(("heading", "base"), [("a balancer", pt.Balancer), ("a kind of task", pt.Task)])
def test_the_names_of_the_rules_exist(heading: str, base: Any) -> None:
    section = CONTRIBUTING.partition(f"## Adding {heading}\n")[2].partition("\n## ")[0]
    names = [name for name in named(section) if name.isidentifier()]
    assert names
    known = {"Metric": pt.tasks, "Task": pt, "RandomStream": random_stream}
    assert all(hasattr(known.get(name, base), name) or knows(base, name) for name in names), names


@pytest.mark.parametrize("text", [CONTRIBUTING, RECIPES, TOUR], ids=["CONTRIBUTING.md", "components.md", "design.md"])
def test_the_files_that_are_named_exist(text: str) -> None:
    paths = [name for name in named(text) if re.match(r"(src|tests|docs|tools)/[^… ]*$", name) and "your_" not in name]
    inside = [name for name in named(text) if re.match(r"[a-z_]+/[a-z_/]+\.py$", name)]
    paths += [f"src/polytask/{name}" for name in inside if not (ROOT / name.partition("/")[0]).is_dir()]
    assert paths
    assert all((ROOT / path).exists() for path in paths), paths


def test_the_examples_are_complete() -> None:
    found: dict[str, Any] = {"__name__": "mypkg"}
    for block in re.findall(r"```python\n(# mypkg/.*?)```", RECIPES, re.DOTALL):
        exec(block, found)  # noqa: S102 - it is our own
    encoder = found["OneLayer"]((3,), width=4)
    sharing = found["Scaled"](encoder, ("a", "b"))
    assert sharing(torch.zeros(2, 3), ("b",))["b"].shape == (2, sharing.width("b"))
    backward = pt.Backward(resolve("balancer", found["Mine"]).build(power=1.0), tasks=("a", "b"))
    weight = torch.ones(2, requires_grad=True)
    backward({"a": weight.sum(), "b": 3 * weight[0]})
    assert weight.grad is not None
    assert weight.grad.tolist() == pytest.approx([0.8 + 3.6, 0.8])
