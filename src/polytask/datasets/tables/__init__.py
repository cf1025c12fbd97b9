"""User tables as data sets: target columns become tasks, and all other columns become inputs."""

from polytask.datasets.tables.dataframe_conversion import to_dataframe
from polytask.datasets.tables.infer_task import column_labels, make_task
from polytask.datasets.tables.source_from_dataframe import source_from_table
from polytask.datasets.tables.table_loading import LoadedTables, load_tables

__all__ = ["LoadedTables", "column_labels", "load_tables", "make_task", "source_from_table", "to_dataframe"]
