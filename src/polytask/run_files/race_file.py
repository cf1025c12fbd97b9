"""Schema of race.json: what was tried on validation data, and what was chosen."""

from __future__ import annotations

from pydantic import Field

from polytask.run_files.base import FileSection, Number, OptionalNumber, RunFile

Groups = tuple[tuple[str, ...], ...]


class TrialRecord(FileSection):
    """One trial: settings of an arm, and the score that they reached.

    Attributes:
        bracket: Name of the bracket of successive halving.
        arm: Name of the arm.
        tasks: The tasks of each of its networks.
        trial: Number of the trial, from 1.
        seed: Seed of its networks.
        settings: Value per tuned option.
        epochs: Epochs of training at most.
        score: Mean relative validation metric of the best epoch; None if the loss became non-finite.
    """

    bracket: str = ""
    arm: str = ""
    tasks: Groups = ()
    trial: int | None = None
    seed: int | None = None
    settings: dict[str, Number] = Field(default_factory=dict)
    epochs: int | None = None
    score: OptionalNumber = None


class TunedArm(FileSection):
    """Settings that were chosen for the networks of an arm that predict these tasks."""

    arm: str
    tasks: tuple[str, ...]
    settings: dict[str, Number]


class RaceFile(RunFile):
    """Content of race.json.

    Attributes:
        winner: The joint arm that is compared on test data; None where all are.
        groups: Per arm of groups the tasks of each of its networks.
        chosen: The chosen settings.
        tried: All trials.
    """

    winner: str | None = None
    groups: dict[str, Groups] = Field(default_factory=dict)
    chosen: tuple[TunedArm, ...] = ()
    tried: tuple[TrialRecord, ...] = ()
