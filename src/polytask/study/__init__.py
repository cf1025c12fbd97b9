"""Studies: arms x seeds with one offered budget, run side by side, resumed, tested once, and concluded."""

from polytask.study.arms import Arm
from polytask.study.concluding import Result
from polytask.study.config import StudyConfig, TrainConfig, checked
from polytask.study.loading import Opened, opened
from polytask.study.one import Trained, train_one
from polytask.study.relate_config import RelateConfig
from polytask.study.relating import Related, relate
from polytask.study.status import StudyProgress
from polytask.study.study import Study

__all__ = [
    "Arm",
    "Opened",
    "RelateConfig",
    "Related",
    "Result",
    "Study",
    "StudyConfig",
    "StudyProgress",
    "TrainConfig",
    "Trained",
    "checked",
    "opened",
    "relate",
    "train_one",
]
