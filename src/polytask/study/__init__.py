"""Studies: arms x seeds with one offered budget, run side by side, resumed, tested once, and concluded."""

from polytask.study.arms import Arm
from polytask.study.concluding import Result
from polytask.study.loading import Opened, opened
from polytask.study.one import Trained, train_one
from polytask.study.relating import Related, relate
from polytask.study.status import StudyProgress
from polytask.study.study import Study

__all__ = [
    "Arm",
    "Opened",
    "Related",
    "Result",
    "Study",
    "StudyProgress",
    "Trained",
    "opened",
    "relate",
    "train_one",
]
