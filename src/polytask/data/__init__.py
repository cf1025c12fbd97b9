"""Data of several tasks: sources, splits, normalisation, and which rows a step sees."""

from polytask.data.fingerprint import fingerprint
from polytask.data.normalisation import Normalisation
from polytask.data.samplers import Proportional, Sampler, proportional_batch_sizes
from polytask.data.source import Source, Sources
from polytask.data.splits import split

__all__ = ["Normalisation", "Proportional", "Sampler", "Source", "Sources", "fingerprint", "proportional_batch_sizes", "split"]
