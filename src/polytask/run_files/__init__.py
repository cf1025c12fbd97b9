"""The JSON files of a run folder: their schema, through which they are written and read."""

from polytask.run_files.callback_file import CallbackFile, CallbackRecord
from polytask.run_files.cost_file import UNKNOWN_COST, ArmCost, CostFile, EqualTime, MeasureCost, NetworkPartRecord, RaceCost
from polytask.run_files.curve_file import CurveFile, CurvePointRecord, CurveTask, LabelRatioRecord
from polytask.run_files.environment_file import EnvironmentFile
from polytask.run_files.findings import Finding, ShippedRisk
from polytask.run_files.model_index import ModelIndex, ModelNetwork
from polytask.run_files.opening_count import OpeningCount
from polytask.run_files.race_file import RaceFile, TrialRecord, TunedArm
from polytask.run_files.relate_file import GroupingRecord, MeasureRecord, RelateFile
from polytask.run_files.training_progress_file import JobProgress
from polytask.run_files.verdict_file import (
    ArmRecord,
    BaselineRecord,
    PooledRecord,
    PowerRecord,
    Recommendation,
    SharingRecord,
    SummaryRecord,
    TaskRecord,
    TaskTransfer,
    VerdictFile,
)

__all__ = [
    "UNKNOWN_COST",
    "ArmCost",
    "ArmRecord",
    "BaselineRecord",
    "CallbackFile",
    "CallbackRecord",
    "CostFile",
    "CurveFile",
    "CurvePointRecord",
    "CurveTask",
    "EnvironmentFile",
    "EqualTime",
    "Finding",
    "GroupingRecord",
    "JobProgress",
    "LabelRatioRecord",
    "MeasureCost",
    "MeasureRecord",
    "ModelIndex",
    "ModelNetwork",
    "NetworkPartRecord",
    "OpeningCount",
    "PooledRecord",
    "PowerRecord",
    "RaceCost",
    "RaceFile",
    "Recommendation",
    "RelateFile",
    "SharingRecord",
    "ShippedRisk",
    "SummaryRecord",
    "TaskRecord",
    "TaskTransfer",
    "TrialRecord",
    "TunedArm",
    "VerdictFile",
]
