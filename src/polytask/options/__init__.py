"""Option models: the type, default, limits and description of every user option.

The command line, the JSON schema, the validation of study files and the reference are generated from these models. They import
neither torch nor pandas, so that `--help` starts quickly.
"""

from polytask.options.base import OptionModel, fields_of, list_fields
from polytask.options.cli_option import Flag
from polytask.options.measurements.curve_config import CurveConfig
from polytask.options.measurements.relate_config import RelateConfig
from polytask.options.reading_options import ReadingOptions
from polytask.options.study_config import StudyConfig
from polytask.options.table_options import TableOptions
from polytask.options.train_config import NetworkConfig, TrainConfig, differences
from polytask.options.training_options import TrainingOptions, make_training_options
from polytask.options.training_presets import preset_training_options
from polytask.options.validation_errors import checked
from polytask.options.verdict_options.verdict_config import VerdictConfig

for _model in (CurveConfig, NetworkConfig, RelateConfig, StudyConfig, TableOptions, TrainConfig, TrainingOptions, VerdictConfig):
    list_fields(_model)

__all__ = [
    "CurveConfig",
    "Flag",
    "NetworkConfig",
    "OptionModel",
    "ReadingOptions",
    "RelateConfig",
    "StudyConfig",
    "TableOptions",
    "TrainConfig",
    "TrainingOptions",
    "VerdictConfig",
    "checked",
    "differences",
    "fields_of",
    "make_training_options",
    "preset_training_options",
]
