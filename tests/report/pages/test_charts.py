from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from polytask.report.contents.curves_and_confusion import CurvePoint, LearningCurve
from polytask.report.pages import charts
from polytask.run_files import VerdictFile

pytest.importorskip("vl_convert")

TAGS = {"svg", "g", "rect", "path", "text", "line", "defs", "clipPath", "symbol", "title", "tspan", "style"}


def svg_of(image: str | None) -> str:
    assert image is not None
    head, _, content = image.partition(",")
    assert head == "data:image/svg+xml;base64"
    return base64.b64decode(content).decode()


def curve_of(arms: tuple[str, ...], name: str = "accuracy") -> LearningCurve:
    points = tuple(CurvePoint(arm, str(seed), epoch, epoch / 10) for arm in arms for seed in range(2) for epoch in (1, 2))
    return LearningCurve(
        "digit", "validation", name, points, tuple(CurvePoint(arm, "", epoch, epoch / 10, 2) for arm in arms for epoch in (1, 2))
    )


def test_intervals_are_drawn_in_points_with_words(run_kind: Any, verdict_content: Any) -> None:
    task = VerdictFile.parse(verdict_content(run_kind()), "").tasks["digit"]
    spec = charts.interval_chart(task)
    assert spec is not None
    assert spec["data"]["values"][0] == {
        "arm": "equal",
        "low": pytest.approx(0.12),
        "high": pytest.approx(0.7),
        "difference": pytest.approx(0.41),
        "word": "helps",
    }
    drawn = svg_of(charts.to_data_uri(spec))
    assert ">helps<" in drawn
    assert ">equal<" in drawn


def test_an_arm_without_an_interval_is_not_drawn(run_kind: Any, verdict_content: Any) -> None:
    content = verdict_content(run_kind())
    content["tasks"]["digit"]["arms"]["equal"]["ci95"] = [None, 1.0]
    spec = charts.interval_chart(VerdictFile.parse(content, "").tasks["digit"])
    assert spec is not None
    assert [row["arm"] for row in spec["data"]["values"]] == ["uncertainty"]


def test_a_drawing_repeats_byte_for_byte() -> None:
    spec = charts.learning_curve_chart(curve_of(("single", "equal")), ("single", "equal"))
    assert charts.to_data_uri(spec) == charts.to_data_uri(spec)


def test_the_mean_ends_where_a_seed_stopped() -> None:
    curve = LearningCurve(
        "t",
        "training",
        "loss",
        (CurvePoint("a", "0", 1, 0.5), CurvePoint("a", "0", 2, 0.4)),
        (CurvePoint("a", "", 1, 0.5), CurvePoint("a", "", 2, 0.4, 1, complete=False)),
    )
    strong = charts.learning_curve_chart(curve, ("a",))["layer"][1]["data"]["values"]
    assert [value["epoch"] for value in strong] == [1]


def test_long_names_are_cut() -> None:
    assert len(charts.arm_label("x" * 500)) == charts.MAX_LABEL_LENGTH


def test_names_do_nothing_in_a_drawing(payloads: tuple[str, ...], run_kind: Any, verdict_content: Any) -> None:
    task = VerdictFile.parse(verdict_content(run_kind(arms=payloads, metric=payloads[0])), "").tasks["digit"]
    specs = [charts.interval_chart(task), charts.learning_curve_chart(curve_of(payloads, payloads[0]), payloads)]
    for spec in specs:
        assert spec is not None
        root = ET.fromstring(svg_of(charts.to_data_uri(spec)))
        for element in root.iter():
            assert element.tag.rpartition("}")[2] in TAGS
            for name, value in element.attrib.items():
                assert not name.lower().startswith("on")
                assert "href" not in name.lower()
                assert "url(http" not in value


def test_the_overview_has_means_first_and_no_more_lines_than_can_be_read() -> None:
    record = {"difference": 0.02, "ci95": (-0.01, 0.05), "verdict": "unclear"}
    pooled = {"plain sum": {"pooled": {"difference": 0.5, "ci95": (0.1, 0.9), "verdict": "helps"}}}

    def drawn(tasks: int) -> list[Any]:
        several = {f"t{number}": {"margin": 0.01, "arms": {"plain sum": record}} for number in range(tasks)}
        spec = charts.overview_chart(VerdictFile.model_validate({"arms": pooled, "tasks": several}))
        assert spec is not None
        return [(row["arm"], row["low"], row["word"]) for row in spec["data"]["values"]]

    assert drawn(1) == [("all tasks", 0.1, "helps"), ("t0", pytest.approx(-1.0), "unclear")]
    assert len(drawn(23)) == 24
    assert drawn(24) == [("all tasks", 0.1, "helps")]
