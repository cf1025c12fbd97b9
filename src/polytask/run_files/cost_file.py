"""Schema of cost.json: what networks, tuning and measuring cost."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from polytask.run_files.base import FileSection, Number, OptionalNumber, RunFile


class ArmCost(FileSection):
    """Cost of one arm: its networks, and what one seed's training used.

    Attributes:
        networks: Number of networks that predict every task once.
        parameters: Parameters of all these networks; None for baselines and training functions.
        multiply_adds: Multiply-adds to predict every task once; None for baselines and training functions.
        shared_parameters: Parameters that several tasks reach.
        saved_multiply_adds: Additional multiply-adds that predicting the tasks one by one would take.
        seconds: Training seconds per seed.
        steps: Training steps per seed.
        rows: Rows seen in training per seed.
        epochs: Epochs per network.
        peak_memory_bytes: Peak memory of the largest training process.
        unsolved_steps: Training steps per seed in which the balancer's condition had no solution.
        non_finite_steps: Training steps per seed in which a value was not finite.
    """

    networks: int
    parameters: int | None
    multiply_adds: int | None
    shared_parameters: int | None
    saved_multiply_adds: int | None
    seconds: Number
    steps: Number
    rows: Number
    epochs: Number
    peak_memory_bytes: int
    unsolved_steps: OptionalNumber = 0
    non_finite_steps: OptionalNumber = 0


_NO_FIGURES: dict[str, Any] = dict.fromkeys(ArmCost.model_fields)
UNKNOWN_COST = ArmCost.model_construct(**_NO_FIGURES)
"""Stands for an arm that a file does not list: every figure is None."""


class NetworkPartRecord(FileSection):
    """Part of a network whose parameters are all reached by the same tasks."""

    name: str = ""
    tasks: tuple[str, ...] = ()
    parameters: int = 0


class RaceCost(FileSection):
    """Cost of tuning and of choosing the joint arm: networks, seconds, steps and rows."""

    networks: OptionalNumber = None
    seconds: OptionalNumber = None
    steps: OptionalNumber = None
    rows: OptionalNumber = None


class EqualSeconds(FileSection):
    """Mean relative validation metric that each arm reaches within the seconds of the fastest arm."""

    seconds: OptionalNumber = None
    arms: dict[str, OptionalNumber] = Field(default_factory=dict)


class EqualTime(FileSection):
    """Mean relative validation metric of each arm after equal updates and after equal seconds."""

    equal_updates: dict[str, OptionalNumber] = Field(default_factory=dict)
    equal_seconds: EqualSeconds = EqualSeconds()


class MeasureCost(FileSection):
    """Cost of one measure of relatedness: seconds per seed, and their share of joint training."""

    seconds: OptionalNumber = None
    share_of_joint_training: OptionalNumber = None


class CostFile(RunFile):
    """Content of cost.json.

    Attributes:
        arms: Cost per arm.
        race: Cost of tuning and of choosing the joint arm.
        views: Comparison of the arms at equal updates and equal seconds.
        parts: Per arm of one network the parts of it that tasks share.
        measures: Cost per measure of relatedness.
        share_of_joint_training: Share of joint training that all measures of the joint run took together.
        note: What the figures mean.
    """

    arms: dict[str, ArmCost] = Field(default_factory=dict)
    race: RaceCost | None = None
    views: EqualTime = EqualTime()
    parts: dict[str, tuple[NetworkPartRecord, ...]] = Field(default_factory=dict)
    measures: dict[str, MeasureCost] = Field(default_factory=dict)
    share_of_joint_training: OptionalNumber = None
    note: str = ""
