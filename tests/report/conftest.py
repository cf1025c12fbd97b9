"""Run folders made in code, as a study writes them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

WORDS = ("helps", "hurts", "same", "unclear")
SEEDS = (0, 1, 2)
EPOCHS = (3, 4, 5)  # of each seed: they stop at different times


@dataclass(frozen=True)
class Run:
    """Names and sentences of a run folder to be made.

    Attributes:
        tasks: Classification tasks; one regression task named `price` comes on top if `regression`.
        arms: Joint arms.
        labels: Classes of every task.
        text: What stands in every free sentence and in every name of a setting.
        files: Further files in the folder.
    """

    tasks: Sequence[str] = ("digit", "garment")
    arms: Sequence[str] = ("equal", "uncertainty")
    labels: Sequence[str] = tuple("0123456789")
    text: str = "Train digit and garment separately."
    files: Sequence[str] = field(default=())
    regression: bool = True
    metric: str = "accuracy"


def verdict_of(run: Run) -> dict[str, Any]:
    """The content of verdict.json."""
    kinds = [(name, "multiclass", run.metric) for name in run.tasks] + ([("price", "regression", "rmse")] if run.regression else [])
    settle = {"seeds": 9, "rows": 12_000, "smallest_effect": 0.004}
    return {
        "study": run.text, "version": "0.1.0", "baseline": "single", "seeds": list(SEEDS), "test_openings": 1, "chosen": run.arms[-1],
        "notes": [f"{run.text} (note)"], "warnings": [f"{run.text} (warning)"],
        "tasks": {
            name: {
                "kind": kind, "metric": metric, "higher_is_better": metric != "rmse", "margin": 0.0095, "units": 100,
                "single": {"mean": 0.957, "sd": 0.002},
                "arms": {
                    arm: {
                        "mean": 0.9611, "difference": 0.0041, "ci95": [0.0012, 0.007], "relative_percent": 0.43,
                        "verdict": (word := WORDS[place % len(WORDS)]), "adjusted": arm == run.arms[-1], "p": 0.01, "df": 6.0,
                        "settle": settle if word == "unclear" else None,
                    }
                    for place, arm in enumerate(run.arms)
                },
            }
            for name, kind, metric in kinds
        },
        "arms": {
            arm: {
                "delta_m_percent": 0.43, "ci95": [0.1, 0.8],
                "pooled": {"difference": 0.43, "ci95": [-0.11, 0.97], "verdict": "same"},
            }
            for arm in run.arms
        },
        "transfer": {
            arm: {
                name: {
                    "lead": -0.0123, "seeds_behind": 3, "behind": True,
                    "opposed_by": {other: -0.25 for other, _, _ in kinds if other != name},
                }
                for name, _, _ in kinds
            }
            for arm in run.arms
        },
        "recommendation": {"arm": run.arms[-1], "groups": [[name for name, _, _ in kinds]], "reason": run.text},
    }  # fmt: skip


def cost_of(run: Run) -> dict[str, Any]:
    """The content of cost.json."""
    single = {
        "networks": 2, "parameters": 243_860, "multiply_adds": 5_056_000, "seconds": 15.6, "steps": 481.0, "rows": 59_200.0,
        "epochs": 18.5, "peak_memory_bytes": 503_468_032, "shared_parameters": None, "saved_multiply_adds": None,
    }  # fmt: skip
    joint = single | {"networks": 1, "parameters": 121_930}
    views = {"equal_updates": dict.fromkeys(run.arms, 0.61), "equal_seconds": {"seconds": 12.5, "arms": dict.fromkeys(run.arms, 0.52)}}
    race = {"networks": 4, "seconds": 33.0, "steps": 100, "rows": 1_000}
    return {"arms": {"single": single} | dict.fromkeys(run.arms, joint), "race": race, "views": views, "note": f"{run.text} (cost)"}


def race_of(run: Run) -> dict[str, Any]:
    """The content of race.json."""
    tried = [
        {
            "bracket": run.text,
            "arm": arm,
            "tasks": [list(run.tasks)],
            "trial": 1,
            "settings": {f"{run.text} lr": 0.003},
            "epochs": 9,
            "score": score,
        }
        for arm, score in zip(run.arms, (0.71, None), strict=False)
    ]
    return {"winner": run.arms[-1], "tried": tried}


def history_of(run: Run) -> pd.DataFrame:
    """The rows of history.csv."""
    metrics = dict.fromkeys(run.tasks, run.metric) | ({"price": "rmse"} if run.regression else {})
    rows = [
        (arm, seed, epoch, 10 * epoch, task, split, name, value)
        for arm in ("single", *run.arms)
        for seed, epochs in zip(SEEDS, EPOCHS, strict=True)
        for epoch in range(1, epochs + 1)
        for task, metric in metrics.items()
        for split, name, value in [
            ("training", "loss", 2 / epoch + seed), ("training", "weight", 1.0), ("validation", metric, 1 - 0.5 / epoch),
            ("validation", "lead over single", 0.01 * epoch),
        ]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "seed", "epoch", "step", "task", "split", "name", "value"])


def results_of(run: Run) -> pd.DataFrame:
    """The rows of results.csv."""
    rows = [
        (arm, seed, task, split, run.metric, 0.9 + seed / 100)
        for arm in ("single", *run.arms)
        for seed in SEEDS
        for task in run.tasks
        for split in ("validation", "test")
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "task", "split", "metric", "value"])


def predictions_of(run: Run) -> pd.DataFrame:
    """The rows of predictions.parquet: of three units per class one is taken for the next class."""
    units = [(label, place, copy) for place, label in enumerate(run.labels) for copy in range(3)]
    rows = [
        (arm, seed, task, f"u/{place}/{copy}", "test", label, run.labels[(place + (copy == 2)) % len(run.labels)], 0.7)
        for arm in ("single", *run.arms)
        for seed in SEEDS
        for task in run.tasks
        for label, place, copy in units
    ]
    if run.regression:
        rows += [(arm, seed, "price", "u", "test", "1.5", "1.25", np.nan) for arm in ("single", *run.arms) for seed in SEEDS]
    return pd.DataFrame(rows, columns=["arm", "seed", "task", "unit", "split", "target", "prediction", "probability"])


def make(folder: Path, run: Run) -> Path:
    """Write the run folder."""
    folder.mkdir(parents=True)
    name = run.text
    configuration = {
        "source": name,
        name: {"lr": 0.001, f"{name} in": name},
        "arms": list(run.arms),
        "freeze": [],
        "max_grad_norm": None,
        "quiet": True,
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    (folder / "environment.json").write_text(json.dumps({"torch": "2.13.0", name: name, "cores": 2}), encoding="utf-8")
    (folder / "verdict.json").write_text(json.dumps(verdict_of(run)), encoding="utf-8")
    (folder / "cost.json").write_text(json.dumps(cost_of(run)), encoding="utf-8")
    (folder / "race.json").write_text(json.dumps(race_of(run)), encoding="utf-8")
    history_of(run).to_csv(folder / "history.csv", index=False, encoding="utf-8")
    results_of(run).to_csv(folder / "results.csv", index=False, encoding="utf-8")
    predictions_of(run).to_parquet(folder / "predictions.parquet", index=False)
    (folder / "log.txt").write_text("study begins\n", encoding="utf-8")
    for file in run.files:
        (folder / file).write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def run_kind() -> type[Run]:
    """The class that names a run folder's content."""
    return Run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Make a run folder below a new name."""
    return lambda run=None, name="run": make(tmp_path / name, run or Run())


@pytest.fixture
def verdict_content() -> Callable[[Run], dict[str, Any]]:
    """verdict.json's content of a run."""
    return verdict_of


@pytest.fixture
def cost_content() -> Callable[[Run], dict[str, Any]]:
    """cost.json's content of a run."""
    return cost_of


@pytest.fixture(scope="session")
def drawing() -> Callable[..., str] | None:
    """Draw a chart once in a session: it is a function of its specification, as `test_charts.py` shows."""
    return cache(importlib.import_module("vl_convert").vegalite_to_svg) if importlib.util.find_spec("vl_convert") else None


@pytest.fixture(scope="module")
def same_charts_are_drawn_once(drawing: Callable[..., str] | None) -> Iterator[None]:
    """For pages that show the same charts again and again."""
    with pytest.MonkeyPatch.context() as patch:
        if drawing is not None:
            patch.setattr("vl_convert.vegalite_to_svg", drawing)
        yield


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra `charts` were not installed."""
    for module in ("charts", "study_page", "relate_page"):
        monkeypatch.setattr(f"polytask.report.pages.{module}.has_charts", lambda: False)


@pytest.fixture(scope="session")
def payloads() -> tuple[str, ...]:
    """Fifty names that a browser or a terminal might obey."""
    return PAYLOADS


PAYLOADS = (
    "<script>alert(1)</script>", "</title><script>alert(1)</script>", "</style><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>", '"><script>alert(1)</script>', "'><script>alert(1)</script>", '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='", "javascript:alert(1)", "<a href=javascript:alert(1)>x</a>", "<iframe src=//evil.example>",
    "<object data=x>", "<embed src=x>", "<base href=//evil.example>", "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<link rel=stylesheet href=//evil.example>", "<style>*{display:none}</style>", "<!--", "--><script>alert(1)</script>", "]]>",
    "<![CDATA[<b>", "&lt;script&gt;", "&#60;script&#62;", "&amp;amp;", "{{ 7*7 }}", "{% raw %}", "{# comment #}", "${7*7}", "<%= 7*7 %>",
    "<table><tr><td>", "</td></tr></table>", "</main></body></html>", "<textarea>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">', "<script>", "＜script＞", "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "\x9b31m", "\x1b[2J\x1b[H", "a\rb\tc\nd",
    "\u202egnp.exe", "\u2066hidden\u2069", "zero\u200bwidth\ufeff", "[bold red]x[/bold red]", "[link=http://evil.example]x[/link]",
    "../../etc/passwd",
)  # fmt: skip
