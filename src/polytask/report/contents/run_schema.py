"""Typed models of verdict.json, cost.json and race.json. Missing keys get defaults; values of the wrong type are errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from polytask.errors import DataError
from polytask.report import formatting
from polytask.report.sanitize import clean_text

OptionalNumber = float | None
Bounds = tuple[OptionalNumber, OptionalNumber]


class FileSection(BaseModel):
    """Base class of the parts of a file; unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SettleRecord(FileSection):
    """Estimated numbers of seeds and test rows that would make an unclear verdict clear, and the smallest detectable difference."""

    seeds: int | None = None
    rows: int | None = None
    smallest_effect: OptionalNumber = None


class ArmRecord(FileSection):
    """Verdict on one arm for one task."""

    mean: OptionalNumber = None
    difference: OptionalNumber = None
    ci95: Bounds | None = None
    relative_percent: OptionalNumber = None
    verdict: str = ""
    adjusted: bool = True
    settle: SettleRecord | None = None


class BaselineRecord(FileSection):
    """Single-task result of one task: mean and standard deviation over seeds."""

    mean: OptionalNumber = None
    sd: OptionalNumber = None


class TaskRecord(FileSection):
    """One task: the baseline, and the verdict on every other arm."""

    kind: str = ""
    metric: str = ""
    higher_is_better: bool = True
    margin: OptionalNumber = None
    units: int | None = None
    single: BaselineRecord = BaselineRecord()
    arms: dict[str, ArmRecord] = {}


class OverallRecord(FileSection):
    """The mean relative change of one arm."""

    delta_m_percent: OptionalNumber = None
    ci95: Bounds | None = None


class RecommendationRecord(FileSection):
    """The recommended arm, its groups of tasks, and the reason."""

    arm: str = ""
    groups: tuple[tuple[str, ...], ...] = ()
    reason: str = ""


class TransferRecord(FileSection):
    """Comparison of a task with its single-task twin on validation data."""

    lead: OptionalNumber = None
    seeds_behind: int | None = None
    behind: bool = False
    opposed_by: dict[str, float] = {}


class VerdictFile(FileSection):
    """Content of verdict.json.

    Attributes:
        chosen: The joint arm that was chosen on validation data.
        tasks: Verdicts per task.
        arms: Mean relative change per arm.
        transfer: Comparison with the single-task twin, per arm and task.
        notes: Notes on what was not tuned and whom the budget favors.
    """

    study: str = ""
    version: str = ""
    baseline: str = "single"
    chosen: str | None = None
    seeds: tuple[int | str, ...] = ()
    test_openings: int | None = None
    tasks: dict[str, TaskRecord] = {}
    arms: dict[str, OverallRecord] = {}
    transfer: dict[str, dict[str, TransferRecord]] = {}
    recommendation: RecommendationRecord = RecommendationRecord()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Names of all arms: the baseline, then the others in the order of the file."""
        others = [arm for task in self.tasks.values() for arm in task.arms]
        return tuple(dict.fromkeys([self.baseline, *others, *self.arms]))


class ArmCostRecord(FileSection):
    """Cost of one arm: the size of its networks, and the resources for training one seed."""

    networks: OptionalNumber = None
    parameters: OptionalNumber = None
    multiply_adds: OptionalNumber = None
    shared_parameters: OptionalNumber = None
    saved_multiply_adds: OptionalNumber = None
    seconds: OptionalNumber = None
    steps: OptionalNumber = None
    rows: OptionalNumber = None
    epochs: OptionalNumber = None
    peak_memory_bytes: OptionalNumber = None


class NetworkPartRecord(FileSection):
    """A part of a network whose parameters are all reached by the same tasks."""

    name: str = ""
    tasks: tuple[str, ...] = ()
    parameters: int = 0


class RaceCostRecord(FileSection):
    """Cost of tuning and of the race."""

    networks: OptionalNumber = None
    seconds: OptionalNumber = None
    steps: OptionalNumber = None
    rows: OptionalNumber = None


class EqualSecondsRecord(FileSection):
    """Mean relative validation metric that each arm reaches in the time of the quickest one."""

    seconds: OptionalNumber = None
    arms: dict[str, OptionalNumber] = {}


class EqualTimeRecord(FileSection):
    """Mean relative validation metric of each arm, with equal updates and with equal seconds."""

    equal_updates: dict[str, OptionalNumber] = {}
    equal_seconds: EqualSecondsRecord = EqualSecondsRecord()


class TrialRecord(FileSection):
    """One trial: settings of an arm, the epochs it was trained for, and its score on validation data."""

    bracket: str = ""
    arm: str = ""
    tasks: tuple[tuple[str, ...], ...] = ()
    trial: int | None = None
    settings: dict[str, float] = {}
    epochs: int | None = None
    score: OptionalNumber = None


class RaceFile(FileSection):
    """Content of race.json."""

    winner: str | None = None
    tried: tuple[TrialRecord, ...] = ()


class CostFile(FileSection):
    """Content of cost.json."""

    arms: dict[str, ArmCostRecord] = {}
    race: RaceCostRecord | None = None
    views: EqualTimeRecord = EqualTimeRecord()
    parts: dict[str, tuple[NetworkPartRecord, ...]] = {}
    note: str = ""


SectionT = TypeVar("SectionT", bound=FileSection)


def parse_section(kind: type[SectionT], content: object, where: str) -> SectionT:
    """Validate the content of a file.

    Args:
        kind: Model of the content, such as `VerdictFile`.
        content: Content as read from JSON.
        where: Name of the file for error messages.

    Raises:
        DataError: An entry has the wrong type; the first one is named.

    Example:
        >>> parse_section(VerdictFile, {"tasks": {"digit": {"metric": "accuracy"}}}, "verdict.json").tasks["digit"].metric
        'accuracy'
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = clean_text(", ".join([where, ".".join(map(str, first["loc"]))]).rstrip(", "))
        found = clean_text(repr(first["input"]))[:80]
        raise DataError(first["msg"].lower(), where=place, found=found, remedy="Run the study again") from None


def openings_sentence(outcome: VerdictFile) -> str:
    """Return a sentence on the number of seeds and how often the test data were opened.

    Example:
        >>> openings_sentence(VerdictFile(seeds=(0, 1, 2), test_openings=1))
        'Seeds: 3. The test data were opened once.'
    """
    times = {None: "an unknown number of times", 1: "once"}.get(outcome.test_openings, f"{outcome.test_openings} times")
    return f"Seeds: {len(outcome.seeds)}. The test data were opened {times}."


def chosen_arm_sentence(outcome: VerdictFile) -> str:
    """Return a sentence on what the choice among several arms means for the verdicts; empty if there was no choice."""
    alone = any(not said.adjusted for task in outcome.tasks.values() for said in task.arms.values())
    if not (alone and outcome.chosen):
        return ""
    return f"{outcome.chosen} was chosen on validation data. Its verdicts are adjusted for several tasks; those of other arms are not."


def sample_size_lines(metric: str, said: ArmRecord) -> tuple[str, ...]:
    """Return, for an unclear verdict, the sample size that would settle it and the smallest detectable difference; else nothing.

    Example:
        >>> sample_size_lines("accuracy", ArmRecord(verdict="unclear", settle=SettleRecord(seeds=9, rows=12000, smallest_effect=0.004)))
        ('about 9 seeds or 12,000 test rows would settle it', 'smallest detectable difference: 0.40 points (80 % power)')
    """
    if said.verdict != "unclear" or said.settle is None:
        return ()
    needed = ((said.settle.seeds, "seeds"), (said.settle.rows, "test rows"))
    ways = " or ".join(f"{formatting.format_rounded_up(number)} {name}" for number, name in needed if number)
    named = f"about {ways} would settle it" if ways else "neither more seeds nor more test rows would settle it"
    seen = said.settle.smallest_effect
    return (named, *([] if seen is None else [f"smallest detectable difference: {formatting.format_magnitude(metric, seen)} (80 % power)"]))


def as_verdict_file(verdict: Mapping[str, Any] | VerdictFile) -> VerdictFile:
    """Return the validated content of verdict.json."""
    return verdict if isinstance(verdict, VerdictFile) else parse_section(VerdictFile, verdict, "verdict.json")
