"""Statistical tests that decide whether an arm differs from the baseline."""

from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.decision import Decision
from polytask.verdicts.power import PowerAnalysis
from polytask.verdicts.verdict_result import ArmSummary, ArmVerdict, TaskVerdict, Verdict

__all__ = ["ArmSummary", "ArmVerdict", "Decision", "PowerAnalysis", "TaskVerdict", "Verdict", "verdict"]
