"""Studies: arms x seeds with one offered budget, run side by side, resumed, tested once, and concluded."""

from polytask.study.config import StudyConfig, study_config
from polytask.study.status import StudyProgress
from polytask.study.study import Result, Study

__all__ = ["Result", "Study", "StudyConfig", "StudyProgress", "study_config"]
