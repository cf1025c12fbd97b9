"""Studies: arms x seeds with one offered budget, run side by side, resumed, tested once, and concluded."""

from polytask.study.config import StudyConfig, TrainConfig, checked
from polytask.study.one import Trained, train_one
from polytask.study.status import StudyProgress
from polytask.study.study import Result, Study

__all__ = ["Result", "Study", "StudyConfig", "StudyProgress", "TrainConfig", "Trained", "checked", "train_one"]
