"""Read tables from files and check data frames; malformed content raises an error and is never guessed."""

from polytask.data.reading.dataframe_checks import check_frame
from polytask.data.reading.feature_checks import check_features
from polytask.data.reading.table_file import TableFile, open_table, read_column_names, read_table
from polytask.data.reading.target_checks import check_targets

__all__ = ["TableFile", "check_features", "check_frame", "check_targets", "open_table", "read_column_names", "read_table"]
