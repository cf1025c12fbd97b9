"""verdict.json and cost.json as typed data; a key that is missing is no error, a value of the wrong kind is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from polytask.errors import DataError
from polytask.report import numbers
from polytask.report.text import clean_text

Number = float | None
Interval = tuple[Number, Number]


class Part(BaseModel):
    """A part of a file: unknown keys are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Settle(Part):
    """What would settle what is unclear."""

    seeds: int | None = None
    rows: int | None = None
    smallest_effect: Number = None


class Said(Part):
    """What is said about one arm on one task."""

    mean: Number = None
    difference: Number = None
    ci95: Interval | None = None
    relative_percent: Number = None
    verdict: str = ""
    adjusted: bool = True
    settle: Settle | None = None


class Baseline(Part):
    """Single-task training of one task."""

    mean: Number = None
    sd: Number = None


class TaskOutcome(Part):
    """One task: the baseline and what is said about every other arm."""

    kind: str = ""
    metric: str = ""
    higher_is_better: bool = True
    margin: Number = None
    units: int | None = None
    single: Baseline = Baseline()
    arms: dict[str, Said] = {}


class Overall(Part):
    """The mean relative change of one arm."""

    delta_m_percent: Number = None
    ci95: Interval | None = None


class Recommended(Part):
    """What to ship."""

    arm: str = ""
    groups: tuple[tuple[str, ...], ...] = ()
    reason: str = ""


class Transferred(Part):
    """How a task fares beside its single-task twin, on validation data."""

    lead: Number = None
    seeds_behind: int | None = None
    behind: bool = False
    opposed_by: dict[str, float] = {}


class Outcome(Part):
    """The content of verdict.json.

    Attributes:
        chosen: The joint arm that validation data chose.
        tasks: Per task what is said.
        arms: Per arm the mean relative change.
        transfer: Per arm and task how it fares beside its single-task twin.
        notes: What was not tuned, and whom the budget favours.
    """

    study: str = ""
    version: str = ""
    baseline: str = "single"
    chosen: str | None = None
    seeds: tuple[int | str, ...] = ()
    test_openings: int | None = None
    tasks: dict[str, TaskOutcome] = {}
    arms: dict[str, Overall] = {}
    transfer: dict[str, dict[str, Transferred]] = {}
    recommendation: Recommended = Recommended()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The baseline, then every other arm in the file's order."""
        others = [arm for task in self.tasks.values() for arm in task.arms]
        return tuple(dict.fromkeys([self.baseline, *others, *self.arms]))


class ArmCost(Part):
    """The cost of one arm: its networks, and what one seed's training used."""

    networks: Number = None
    parameters: Number = None
    multiply_adds: Number = None
    shared_parameters: Number = None
    saved_multiply_adds: Number = None
    seconds: Number = None
    steps: Number = None
    rows: Number = None
    epochs: Number = None
    peak_memory_bytes: Number = None


class Piece(Part):
    """A piece of a network that the same tasks reach throughout."""

    name: str = ""
    tasks: tuple[str, ...] = ()
    parameters: int = 0


class Tries(Part):
    """What it took to tune and to race."""

    networks: Number = None
    seconds: Number = None
    steps: Number = None
    rows: Number = None


class EqualSeconds(Part):
    """The mean relative validation metric that arms reach in the time of the quickest."""

    seconds: Number = None
    arms: dict[str, Number] = {}


class Views(Part):
    """The mean relative validation metric of arms, with equal updates and with equal seconds."""

    equal_updates: dict[str, Number] = {}
    equal_seconds: EqualSeconds = EqualSeconds()


class Try(Part):
    """One choice of an arm's settings, and how far it came on validation data."""

    bracket: str = ""
    arm: str = ""
    tasks: tuple[tuple[str, ...], ...] = ()
    trial: int | None = None
    settings: dict[str, float] = {}
    epochs: int | None = None
    score: Number = None


class Race(Part):
    """The content of race.json."""

    winner: str | None = None
    tried: tuple[Try, ...] = ()


class Costs(Part):
    """The content of cost.json."""

    arms: dict[str, ArmCost] = {}
    race: Tries | None = None
    views: Views = Views()
    parts: dict[str, tuple[Piece, ...]] = {}
    note: str = ""


PartT = TypeVar("PartT", bound=Part)


def parse(kind: type[PartT], content: object, where: str) -> PartT:
    """Check what a file holds.

    Args:
        kind: `Outcome` or `Costs`.
        content: What was read from JSON.
        where: The file, for the message.

    Raises:
        DataError: An entry of the wrong kind; the first one is named.

    Example:
        >>> parse(Outcome, {"tasks": {"digit": {"metric": "accuracy"}}}, "verdict.json").tasks["digit"].metric
        'accuracy'
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = clean_text(", ".join([where, ".".join(map(str, first["loc"]))]).rstrip(", "))
        found = clean_text(repr(first["input"]))[:80]
        raise DataError(first["msg"].lower(), where=place, found=found, remedy="Run the study again") from None


def openings_sentence(outcome: Outcome) -> str:
    """On how many seeds the verdict rests, and how often the test data were opened.

    Example:
        >>> openings_sentence(Outcome(seeds=(0, 1, 2), test_openings=1))
        'Seeds: 3. The test data were opened once.'
    """
    times = {None: "an unknown number of times", 1: "once"}.get(outcome.test_openings, f"{outcome.test_openings} times")
    return f"Seeds: {len(outcome.seeds)}. The test data were opened {times}."


def choice_sentence(outcome: Outcome) -> str:
    """What it means that one of several arms was chosen; empty where there is nothing to choose from."""
    alone = any(not said.adjusted for task in outcome.tasks.values() for said in task.arms.values())
    if not (alone and outcome.chosen):
        return ""
    return f"{outcome.chosen} was chosen on validation data: its verdicts hold for all tasks together; those of other arms stand alone."


def settle_lines(metric: str, said: Said) -> tuple[str, ...]:
    """For an unclear difference: what would settle it, and the smallest effect that this study could have seen.

    Example:
        >>> settle_lines("accuracy", Said(verdict="unclear", settle=Settle(seeds=9, rows=12000, smallest_effect=0.004)))
        ('about 9 seeds or 12,000 test rows would settle it', 'could have seen ± 0.40 points')
    """
    if said.verdict != "unclear" or said.settle is None:
        return ()
    needed = ((said.settle.seeds, "seeds"), (said.settle.rows, "test rows"))
    ways = " or ".join(f"{numbers.about(number)} {name}" for number, name in needed if number)
    named = f"about {ways} would settle it" if ways else "neither more seeds nor more test rows would settle it"
    seen = said.settle.smallest_effect
    return (named, *([] if seen is None else [f"could have seen ± {numbers.amount(metric, seen)}"]))


def as_outcome(verdict: Mapping[str, Any] | Outcome) -> Outcome:
    """The content of verdict.json, parsed unless it is already."""
    return verdict if isinstance(verdict, Outcome) else parse(Outcome, verdict, "verdict.json")
