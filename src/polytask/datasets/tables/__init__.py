"""A table of one's own as a data set: which columns are targets, of what kind, and everything else as inputs."""

from polytask.datasets.tables.files import Loaded, load_tables
from polytask.datasets.tables.frames import as_frame
from polytask.datasets.tables.tables import table_source
from polytask.datasets.tables.targets import labels_of, task_for

__all__ = ["Loaded", "as_frame", "labels_of", "load_tables", "table_source", "task_for"]
