from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from polytask.architectures import NetworkPart, draw_sharing
from polytask.report.contents.curves_and_confusion import CurvePoint, LearningCurve
from polytask.report.contents.prediction_checks import Reliability, ResidualBin, ResidualProfile
from polytask.report.pages import charts
from polytask.run_files import ArmCost, CostFile, VerdictFile
from polytask.verdicts.shown.difference_chart import MAX_LABEL_LENGTH, chart_label
from polytask.verdicts.shown.outcome_charts import interval_chart, overview_chart
from polytask.verdicts.shown.palette import DARK, arm_styles, themed

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
    spec = interval_chart(VerdictFile.parse(verdict_content(run_kind()), ""), "digit")
    assert spec is not None
    assert spec["data"]["values"][0] == {
        "row": "equal",
        "arm": "equal",
        "low": pytest.approx(0.12),
        "high": pytest.approx(0.7),
        "difference": pytest.approx(0.41),
        "word": "▲ helps",
    }
    drawn = svg_of(charts.to_data_uri(spec))
    assert ">▲ helps<" in drawn
    assert ">equal<" in drawn


def test_an_arm_without_an_interval_is_not_drawn(run_kind: Any, verdict_content: Any) -> None:
    content = verdict_content(run_kind())
    content["tasks"]["digit"]["arms"]["equal"]["ci95"] = [None, 1.0]
    spec = interval_chart(VerdictFile.parse(content, ""), "digit")
    assert spec is not None
    assert [row["arm"] for row in spec["data"]["values"]] == ["uncertainty"]


def test_an_arm_has_one_color_in_all_pictures(run_kind: Any, verdict_content: Any, cost_content: Any) -> None:
    run = run_kind(arms=("equal", "uncertainty", "cagrad"))
    outcome, costs = VerdictFile.parse(verdict_content(run), ""), CostFile.parse(cost_content(run), "")
    styles = arm_styles(outcome.arm_names)
    lost = Reliability("digit", "cagrad", "9", (0.1, 0.9), (0.2, 0.8), 0.1, 90)
    profile = ResidualProfile("price", "cagrad", (ResidualBin(1.0, 0.0, -1.0, 1.0),), 0.0, 1.0)
    specs = [
        overview_chart(outcome),
        interval_chart(outcome, "digit"),
        charts.cost_chart(outcome, costs, "seconds", "seconds"),
        charts.learning_curve_chart(curve_of(("cagrad",)), styles),
        charts.reliability_chart([lost], styles),
        charts.residual_chart([profile], styles),
    ]
    for spec in specs:
        scales = [layer["encoding"]["color"]["scale"] for layer in (spec or {})["layer"] if "color" in layer.get("encoding", {})]
        assert scales
        for scale in scales:
            assert dict(zip(scale["domain"], scale["range"], strict=True))["cagrad"] == styles["cagrad"].color


def test_pictures_have_only_colors_that_follow_the_theme(run_kind: Any, verdict_content: Any, cost_content: Any) -> None:
    outcome, costs = VerdictFile.parse(verdict_content(run_kind()), ""), CostFile.parse(cost_content(run_kind()), "")
    curve = charts.learning_curve_chart(curve_of(("single", "equal")), arm_styles(("single", "equal")))
    sharing = themed(draw_sharing([NetworkPart("trunk", ("a", "b"), 40), NetworkPart("head", ("a",), 4)]))
    cost = charts.cost_chart(outcome, costs, "seconds", "seconds")
    for drawn in (*(svg_of(charts.to_data_uri(spec)) for spec in (overview_chart(outcome), cost, curve)), sharing):
        assert "prefers-color-scheme:dark" in drawn
        assert set(re.findall(r'(?:fill|stroke)="(#[^"]*)"', drawn.partition("</style>")[2])) <= set(DARK)


def test_an_arm_that_is_far_worse_leaves_room_for_the_others() -> None:
    record = {"difference": 0.2, "ci95": (-1.0, 1.0), "verdict": "unclear"}
    far = {"difference": -90.0, "ci95": (-95.0, -85.0), "verdict": "hurts"}
    arms = {name: {"pooled": record} for name in ("a", "b", "c")} | {"linear": {"pooled": far}}
    outcome = VerdictFile.model_validate({"arms": arms})
    spec = overview_chart(outcome)
    assert spec is not None
    assert [(row["low"], row["word"]) for row in spec["data"]["values"]] == [*[(-1.0, "? unclear")] * 3, (-4.0, "▼ hurts, at −90")]
    cost = dict.fromkeys(ArmCost.model_fields, 1)
    costs = CostFile.model_validate({"arms": dict.fromkeys(("single", *arms), cost)})
    drawn = charts.cost_chart(outcome, costs, "seconds", "seconds")
    assert drawn is not None
    assert [point["difference"] for point in drawn["data"]["values"]] == [0.0, 0.2, 0.2, 0.2, -4.0]


def test_a_drawing_repeats_byte_for_byte() -> None:
    spec = charts.learning_curve_chart(curve_of(("single", "equal")), arm_styles(("single", "equal")))
    assert charts.to_data_uri(spec) == charts.to_data_uri(spec)


def test_the_mean_ends_where_a_seed_stopped() -> None:
    curve = LearningCurve(
        "t",
        "training",
        "loss",
        (CurvePoint("a", "0", 1, 0.5), CurvePoint("a", "0", 2, 0.4)),
        (CurvePoint("a", "", 1, 0.5), CurvePoint("a", "", 2, 0.4, 1, complete=False)),
    )
    strong = charts.learning_curve_chart(curve, arm_styles(("a",)))["layer"][1]["data"]["values"]
    assert [value["epoch"] for value in strong] == [1]


def test_long_names_are_cut() -> None:
    assert len(chart_label("x" * 500)) == MAX_LABEL_LENGTH


def test_names_do_nothing_in_a_drawing(payloads: tuple[str, ...], run_kind: Any, verdict_content: Any) -> None:
    outcome = VerdictFile.parse(verdict_content(run_kind(arms=payloads, metric=payloads[0])), "")
    curve = charts.learning_curve_chart(curve_of(payloads, payloads[0]), arm_styles(payloads))
    specs = [interval_chart(outcome, "digit"), overview_chart(outcome), curve]
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
        spec = overview_chart(VerdictFile.model_validate({"arms": pooled, "tasks": several}))
        assert spec is not None
        return [(row["row"], row["low"], row["word"]) for row in spec["data"]["values"]]

    assert drawn(1) == [("all tasks", 0.1, "▲ helps"), ("t0", pytest.approx(-1.0), "? unclear")]
    assert len(drawn(47)) == 48
    assert drawn(48) == [("all tasks", 0.1, "▲ helps")]
