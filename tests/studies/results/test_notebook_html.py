"""What notebooks show of results."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.report.pages import charts
from polytask.studies import StudyResult
from polytask.studies.affinity.relate_tasks import RelateResult
from polytask.tasks import Regression
from polytask.verdicts import verdict
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.shown.difference_chart import has_charts
from polytask.verdicts.shown.outcome_charts import overview_chart
from polytask.verdicts.shown.verdict_tables import titled_record

HOSTILE = "<img src=x onerror=alert(1)>"


def verdict_on(*tasks: str) -> Verdict:
    columns = ["arm", "seed", "task", "unit", "target", "prediction"]
    rows = [("single", s, t, u, u % 2, u % 2 if u > 4 + s else 0) for s in range(4) for t in tasks for u in range(40)]
    rows += [("equal", s, t, u, u % 2, u % 2) for s in range(4) for t in tasks for u in range(40)]
    return verdict(pd.DataFrame(rows, columns=columns))


def tags_of(content: str) -> set[str]:
    return {element.tag.rpartition("}")[2] for element in ET.fromstring(f"<div>{content}</div>").iter()}


def test_a_verdict_is_advice_picture_and_table_and_its_names_are_only_text() -> None:
    shown = verdict_on(HOSTILE, "value")._repr_html_()
    assert "<img" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert shown.startswith("<p><strong>Train ")
    assert {"table", "th", "td"} <= tags_of(shown)
    assert ("svg" in tags_of(shown)) is has_charts()


def test_a_result_says_where_its_folder_is(tmp_path: Path) -> None:
    own: Any = SimpleNamespace(verdict=verdict_on("churn", "value"), folder=tmp_path / "a&b")
    assert StudyResult._repr_html_(own).endswith(f"<p>Everything is in <code>{tmp_path}/a&amp;b</code></p>")


def test_the_report_and_a_plot_are_the_same_picture() -> None:
    pytest.importorskip("vl_convert")
    found = verdict_on("churn", "value").with_titles({"equal": "plain sum", "single": "separate networks"})
    assert found.plot().data_uri() == charts.to_data_uri(overview_chart(titled_record(found)))
    assert ">separate networks<" not in found.plot("churn").svg
    assert ">plain sum<" in found.plot("churn").svg


def test_a_trained_network_shows_its_metrics() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    source = pt.Source("toy", x, {"sum": x.sum(1), HOSTILE: x[:, 0]})
    tasks = tuple(Regression(name=name) for name in source.tasks)
    run = pt.fit(pt.MultiTaskModel(pt.encoders.MLP((3,), hidden=(4,)), tasks), [source], epochs=1, batch_size=16)
    shown = run._repr_html_()
    assert tags_of(shown) == {"div", "p", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert f'<td align="right">{run.validation["sum"]["rmse"]:.4g}</td>' in shown
    assert "rmse" not in shown.partition("<table>")[0]


def test_relations_are_tables(tmp_path: Path) -> None:
    matrix: Any = SimpleNamespace(mean=np.array([[1.0, -0.25], [0.5, 1.0]]))
    shown = RelateResult({"cosine": matrix}, None, tmp_path, {"tasks": ["a", HOSTILE]})._repr_html_()
    assert '<th scope="row">a</th><td align="right">+1</td><td align="right">-0.25</td>' in shown
    assert "<img" not in shown
