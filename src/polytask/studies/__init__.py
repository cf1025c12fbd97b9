"""Studies: arms x seeds with one offered budget, trained in parallel, resumable, tested once and summarized."""

from polytask.studies.affinity.relate_tasks import RelateResult, relate_tasks
from polytask.studies.choice_run import ChoiceResult, train_choice
from polytask.studies.curves.measure_curve import CurveResult, measure_curve
from polytask.studies.execution.study_progress import StudyProgress
from polytask.studies.execution.train_single_network import TrainResult, train_network
from polytask.studies.one_call import curve, relate, study, train
from polytask.studies.results.conclude_study import StudyResult
from polytask.studies.run_study import Study
from polytask.studies.setup.load_data import LoadedData, load_data
from polytask.studies.spec.arms import Arm

__all__ = [
    "Arm",
    "ChoiceResult",
    "CurveResult",
    "LoadedData",
    "RelateResult",
    "Study",
    "StudyProgress",
    "StudyResult",
    "TrainResult",
    "curve",
    "load_data",
    "measure_curve",
    "relate",
    "relate_tasks",
    "study",
    "train",
    "train_choice",
    "train_network",
]
