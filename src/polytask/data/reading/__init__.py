"""Tables in files and frames, read so that what is wrong in them is said and never guessed."""

from polytask.data.reading.limits import ReadingOptions
from polytask.data.reading.tables import TableFile, open_table, read_table

__all__ = ["ReadingOptions", "TableFile", "open_table", "read_table"]
