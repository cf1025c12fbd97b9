"""Data for multi-task learning: sources, splits, preprocessing, normalization, and samplers."""

from polytask.data.funnel_labels import conditional_labels, entire_space_labels
from polytask.data.preprocessing.columns import TablePreprocessor
from polytask.data.preprocessing.normalization import Normalization
from polytask.data.preprocessing.preprocessor import Preprocessor, preprocessor_from_dict
from polytask.data.preprocessing.subword_tokenizer import SubwordTokenizer
from polytask.data.preprocessing.word_tokenizer import WordTokenizer
from polytask.data.sampling.proportional_sampler import ProportionalSampler, Sampler, proportional_batch_sizes
from polytask.data.sampling.repeated_rows import RepeatedRowsSampler
from polytask.data.sampling.shuffle_buffer import ShuffleBufferSampler
from polytask.data.sampling.source_mixing import RoundRobinSampler, TemperatureSampler, UniformSampler, make_sampler
from polytask.data.source import Source, Sources
from polytask.data.source_checks import check_sources
from polytask.data.source_fingerprint import fingerprint
from polytask.data.splitting.cross_validation import Fold, divide_rows
from polytask.data.splitting.stratified_split import k_fold_split, random_split, train_validation_rows, train_validation_split
from polytask.data.splitting.time_and_column_split import split_by_column, split_by_time

__all__ = [
    "Fold",
    "Normalization",
    "Preprocessor",
    "ProportionalSampler",
    "RepeatedRowsSampler",
    "RoundRobinSampler",
    "Sampler",
    "ShuffleBufferSampler",
    "Source",
    "Sources",
    "SubwordTokenizer",
    "TablePreprocessor",
    "TemperatureSampler",
    "UniformSampler",
    "WordTokenizer",
    "check_sources",
    "conditional_labels",
    "divide_rows",
    "entire_space_labels",
    "fingerprint",
    "k_fold_split",
    "make_sampler",
    "preprocessor_from_dict",
    "proportional_batch_sizes",
    "random_split",
    "split_by_column",
    "split_by_time",
    "train_validation_rows",
    "train_validation_split",
]
