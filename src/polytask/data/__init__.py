"""Data of several tasks: sources, splits, normalisation, and which rows a step sees."""

from polytask.data.buffering import Buffered
from polytask.data.coding import Coding, coding_from_dict
from polytask.data.columns import Columns
from polytask.data.conditional import entire_space, given
from polytask.data.fingerprint import fingerprint
from polytask.data.mixtures import RoundRobin, Temperature, Uniform, sampler_named
from polytask.data.normalisation import Normalisation
from polytask.data.pieces import Pieces
from polytask.data.prescribed import by_column, by_time
from polytask.data.samplers import Proportional, Sampler, proportional_batch_sizes
from polytask.data.source import Source, Sources
from polytask.data.splits import divide, folds, split, split_rows
from polytask.data.words import Words

__all__ = [
    "Buffered",
    "Coding",
    "Columns",
    "Normalisation",
    "Pieces",
    "Proportional",
    "RoundRobin",
    "Sampler",
    "Source",
    "Sources",
    "Temperature",
    "Uniform",
    "Words",
    "by_column",
    "by_time",
    "coding_from_dict",
    "divide",
    "entire_space",
    "fingerprint",
    "folds",
    "given",
    "proportional_batch_sizes",
    "sampler_named",
    "split",
    "split_rows",
]
