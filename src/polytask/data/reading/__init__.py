"""Tables in files and frames, read so that what is wrong in them is said and never guessed."""

from polytask.data.reading.features import check_features
from polytask.data.reading.frames import check_frame
from polytask.data.reading.tables import TableFile, names_of, open_table, read_table
from polytask.data.reading.targets import check_targets

__all__ = ["TableFile", "check_features", "check_frame", "check_targets", "names_of", "open_table", "read_table"]
