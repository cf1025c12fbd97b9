"""Statistical tests that decide whether an arm differs from the baseline, and advice that follows."""

from polytask.verdicts.advice import Advice
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.arm_verdict import ArmSummary, ArmVerdict, PooledVerdict, TaskVerdict
from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.decision import Decision
from polytask.verdicts.power import PowerAnalysis
from polytask.verdicts.shown.advice_sentences import RecommendedArm
from polytask.verdicts.spending.seed_plan import SeedPlan

__all__ = [
    "Advice",
    "ArmSummary",
    "ArmVerdict",
    "Decision",
    "PooledVerdict",
    "PowerAnalysis",
    "RecommendedArm",
    "SeedPlan",
    "TaskVerdict",
    "Verdict",
    "verdict",
]
