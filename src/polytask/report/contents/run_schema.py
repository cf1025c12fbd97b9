"""verdict.json and cost.json as typed data; a key that is missing is no error, a value of the wrong kind is."""

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
    """A part of a file: unknown keys are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SettleRecord(FileSection):
    """What would settle what is unclear."""

    seeds: int | None = None
    rows: int | None = None
    smallest_effect: OptionalNumber = None


class ArmRecord(FileSection):
    """What is said about one arm on one task."""

    mean: OptionalNumber = None
    difference: OptionalNumber = None
    ci95: Bounds | None = None
    relative_percent: OptionalNumber = None
    verdict: str = ""
    adjusted: bool = True
    settle: SettleRecord | None = None


class BaselineRecord(FileSection):
    """Single-task training of one task."""

    mean: OptionalNumber = None
    sd: OptionalNumber = None


class TaskRecord(FileSection):
    """One task: the baseline and what is said about every other arm."""

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
    """What to ship."""

    arm: str = ""
    groups: tuple[tuple[str, ...], ...] = ()
    reason: str = ""


class TransferRecord(FileSection):
    """How a task fares beside its single-task twin, on validation data."""

    lead: OptionalNumber = None
    seeds_behind: int | None = None
    behind: bool = False
    opposed_by: dict[str, float] = {}


class VerdictFile(FileSection):
    """The content of verdict.json.

    Attributes:
        chosen: The joint arm that validation data chose.
        tasks: Per task what is said.
        arms: Per arm the mean relative change.
        transfer: Per arm and task how it fares beside its single-task twin.
        notes: What was not tuned, and whom the budget favors.
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
        """The baseline, then every other arm in the file's order."""
        others = [arm for task in self.tasks.values() for arm in task.arms]
        return tuple(dict.fromkeys([self.baseline, *others, *self.arms]))


class ArmCostRecord(FileSection):
    """The cost of one arm: its networks, and what one seed's training used."""

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
    """A piece of a network that the same tasks reach throughout."""

    name: str = ""
    tasks: tuple[str, ...] = ()
    parameters: int = 0


class RaceCostRecord(FileSection):
    """What it took to tune and to race."""

    networks: OptionalNumber = None
    seconds: OptionalNumber = None
    steps: OptionalNumber = None
    rows: OptionalNumber = None


class EqualSecondsRecord(FileSection):
    """The mean relative validation metric that arms reach in the time of the quickest."""

    seconds: OptionalNumber = None
    arms: dict[str, OptionalNumber] = {}


class EqualTimeRecord(FileSection):
    """The mean relative validation metric of arms, with equal updates and with equal seconds."""

    equal_updates: dict[str, OptionalNumber] = {}
    equal_seconds: EqualSecondsRecord = EqualSecondsRecord()


class TrialRecord(FileSection):
    """One choice of an arm's settings, and how far it came on validation data."""

    bracket: str = ""
    arm: str = ""
    tasks: tuple[tuple[str, ...], ...] = ()
    trial: int | None = None
    settings: dict[str, float] = {}
    epochs: int | None = None
    score: OptionalNumber = None


class RaceFile(FileSection):
    """The content of race.json."""

    winner: str | None = None
    tried: tuple[TrialRecord, ...] = ()


class CostFile(FileSection):
    """The content of cost.json."""

    arms: dict[str, ArmCostRecord] = {}
    race: RaceCostRecord | None = None
    views: EqualTimeRecord = EqualTimeRecord()
    parts: dict[str, tuple[NetworkPartRecord, ...]] = {}
    note: str = ""


SectionT = TypeVar("SectionT", bound=FileSection)


def parse_section(kind: type[SectionT], content: object, where: str) -> SectionT:
    """Check what a file holds.

    Args:
        kind: `VerdictFile` or `CostFile`.
        content: What was read from JSON.
        where: The file, for the message.

    Raises:
        DataError: An entry of the wrong kind; the first one is named.

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
    """On how many seeds the verdict rests, and how often the test data were opened.

    Example:
        >>> openings_sentence(VerdictFile(seeds=(0, 1, 2), test_openings=1))
        'Seeds: 3. The test data were opened once.'
    """
    times = {None: "an unknown number of times", 1: "once"}.get(outcome.test_openings, f"{outcome.test_openings} times")
    return f"Seeds: {len(outcome.seeds)}. The test data were opened {times}."


def chosen_arm_sentence(outcome: VerdictFile) -> str:
    """What it means that one of several arms was chosen; empty where there is nothing to choose from."""
    alone = any(not said.adjusted for task in outcome.tasks.values() for said in task.arms.values())
    if not (alone and outcome.chosen):
        return ""
    return f"{outcome.chosen} was chosen on validation data: its verdicts hold for all tasks together; those of other arms stand alone."


def sample_size_lines(metric: str, said: ArmRecord) -> tuple[str, ...]:
    """For an unclear difference: what would settle it, and the smallest effect that this study could have seen.

    Example:
        >>> sample_size_lines("accuracy", ArmRecord(verdict="unclear", settle=SettleRecord(seeds=9, rows=12000, smallest_effect=0.004)))
        ('about 9 seeds or 12,000 test rows would settle it', 'could have seen ± 0.40 points')
    """
    if said.verdict != "unclear" or said.settle is None:
        return ()
    needed = ((said.settle.seeds, "seeds"), (said.settle.rows, "test rows"))
    ways = " or ".join(f"{formatting.format_rounded_up(number)} {name}" for number, name in needed if number)
    named = f"about {ways} would settle it" if ways else "neither more seeds nor more test rows would settle it"
    seen = said.settle.smallest_effect
    return (named, *([] if seen is None else [f"could have seen ± {formatting.format_magnitude(metric, seen)}"]))


def as_verdict_file(verdict: Mapping[str, Any] | VerdictFile) -> VerdictFile:
    """The content of verdict.json, parsed unless it is already."""
    return verdict if isinstance(verdict, VerdictFile) else parse_section(VerdictFile, verdict, "verdict.json")
