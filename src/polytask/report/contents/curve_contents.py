"""Content of a run folder of `polytask curve` as typed data, and its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polytask.metrics import formatting
from polytask.report.contents.run_contents import Entries, flatten_entries, list_files, require_files
from polytask.run_files import CurveFile, EnvironmentFile, LabelRatioRecord
from polytask.storage import read_yaml
from polytask.verdicts.shown.claim_sentences import pooled_text
from polytask.verdicts.shown.titled_verdict import by_title

CURVE_FILE = "curve.json"
CLAIM_PHRASES = {"same": "makes no difference", "unclear": "has an unclear effect"}
CURVE_RUN_FILES = ("run.yaml", "environment.json", CURVE_FILE)


@dataclass(frozen=True)
class CurveContents:
    """Content of a run folder of `polytask curve`.

    Attributes:
        curve: Content of curve.json, with display names of arms.
        configuration: Dotted names and values of run.yaml.
        environment: Names and values of environment.json.
        files: Names and descriptions of the files in the folder.
    """

    curve: CurveFile
    configuration: Entries
    environment: Entries
    files: Entries


def read_curve_contents(folder: Path) -> CurveContents:
    """Read a run folder of `polytask curve`.

    Raises:
        StorageError: A file is missing or cannot be read.
        DataError: A file has unexpected content.
    """
    require_files(folder, CURVE_RUN_FILES)
    return CurveContents(
        curve=titled_curve(CurveFile.read(folder / CURVE_FILE)),
        configuration=flatten_entries(read_yaml(folder / "run.yaml"), folder / "run.yaml"),
        environment=flatten_entries(EnvironmentFile.read(folder / "environment.json").facts, folder / "environment.json"),
        files=list_files(folder),
    )


def titled_curve(curve: CurveFile) -> CurveFile:
    """Return the curves with display names of arms.

    Example:
        >>> titled_curve(CurveFile(baseline="single", titles={"single": "separate networks"})).baseline
        'separate networks'
    """
    titles = curve.titles
    tasks = {
        name: task.model_copy(
            update={
                "points": tuple(point.model_copy(update={"arms": by_title(point.arms, titles)}) for point in task.points),
                "label_ratio": by_title(task.label_ratio, titles),
            }
        )
        for name, task in curve.tasks.items()
    }
    baseline = titles.get(curve.baseline, curve.baseline)
    return curve.model_copy(update={"baseline": baseline, "tasks": tasks, "pooled": by_title(curve.pooled, titles)})


def pooled_sentences(curve: CurveFile) -> list[str]:
    """Return a sentence per joint arm: the mean over all tasks and shares of the labels.

    Example:
        >>> from polytask.run_files import PooledRecord
        >>> pooled_sentences(CurveFile(pooled={"equal": PooledRecord(difference=2.0, ci95=(1.0, 3.0), verdict="helps")}))
        ['Over all tasks and shares of the labels, equal helps: +2.0 [+1.0, +3.0] margins.']
    """
    return [
        f"Over all tasks and shares of the labels, {arm} {CLAIM_PHRASES.get(record.verdict, record.verdict)}: {text.partition(', ')[2]}."
        for arm, record in curve.pooled.items()
        if (text := pooled_text(record))
    ]


def ratio_sentences(curve: CurveFile) -> list[str]:
    """Return a sentence per task and joint arm: the labels that the arm needs for the error of single-task training."""
    return [
        f"{name}: {ratio_text(arm, record, curve.baseline)}"
        for name, task in curve.tasks.items()
        for arm, record in task.label_ratio.items()
    ]


def ratio_text(arm: str, record: LabelRatioRecord, baseline: str) -> str:
    """Return how many labels an arm needs per label of the baseline.

    Example:
        >>> ratio_text("equal", LabelRatioRecord(ratio=0.7, ci95=(0.52, 0.84), slope=-0.1), "single")
        'equal needs 0.70 [0.52, 0.84] labels per label of single for the same error.'
        >>> ratio_text("equal", LabelRatioRecord(ratio=0.7, ci95=None, slope=0.1), "single")
        'more labels do not lower the error beyond doubt, so the labels that equal needs cannot be said.'
    """
    if record.ci95 is None or record.ratio is None:
        return f"more labels do not lower the error beyond doubt, so the labels that {arm} needs cannot be said."
    low, high = (formatting.format_significant(float(end or 0.0), 2) for end in record.ci95)
    estimate = formatting.format_significant(record.ratio, 2)
    return f"{arm} needs {estimate} [{low}, {high}] labels per label of {baseline} for the same error."
