"""Width of the features of a column of texts: intents of ATIS from a table whose only input is the question.

    POLYTASK_DATA=… python benchmarks/text_columns.py

For 200, 800 and all 4,478 training questions, ridge regression on the features of `TextColumn`, with the penalty chosen on the development
questions, predicts the intents of the 893 test questions. Two encodings are compared, each with several numbers of features: n-grams of 1
to 4 characters, as names and codes have them, and n-grams of 2 to 4 characters with the words, as texts have them.
"""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeClassifier

from polytask.data.preprocessing.columns import TextColumn
from polytask.datasets.dataset_cache import fetch_dataset_files
from polytask.datasets.idx_format import read_decompressed
from polytask.datasets.remote_files import find_remote_file

SIZES, ROWS = (256, 512, 1_024, 2_048, 4_096), (200, 800, 4_478)
PENALTIES = (0.03, 0.3, 3.0)
"""Penalties of ridge regression, as multiples of the number of features: their squares sum to this number."""


def questions(part: str) -> tuple[pd.Series, np.ndarray]:
    """Return the sentences of a part, and their intents."""
    files = [find_remote_file("atis", f"{part}.{kind}") for kind in ("seq.in", "label")]
    paths = fetch_dataset_files(files)
    texts, intents = (read_decompressed(paths[file], file.bytes).decode().splitlines() for file in files)
    return pd.Series(texts, name="question"), np.array(intents)


def main() -> None:
    """Print the accuracy of each encoding, and the time that it takes."""
    parts = {part: questions(part) for part in ("train", "dev", "test")}
    print("| features | n-grams | " + " | ".join(f"{rows:,} rows" for rows in ROWS) + " | ms per 1,000 texts |")
    print("|---|---|" + "---|" * (len(ROWS) + 1))
    for size, words in product(SIZES, (0, 1)):
        column = TextColumn("question", size=size, shortest=1 + words, words=words)
        start = time.process_time()
        inputs = {part: column.encode(texts) for part, (texts, _) in parts.items()}
        taken = (time.process_time() - start) / sum(map(len, inputs.values()))
        values = [accuracy(inputs, parts, size, rows) for rows in ROWS]
        name = "characters and words" if words else "characters"
        print(f"| {size:,} | {name} | " + " | ".join(f"{value:.3f}" for value in values) + f" | {1e6 * taken:.0f} |")


def accuracy(inputs: dict[str, np.ndarray], parts: dict[str, tuple[pd.Series, np.ndarray]], size: int, rows: int) -> float:
    """Return the share of test questions with the right intent."""
    models = [RidgeClassifier(alpha=size * penalty).fit(inputs["train"][:rows], parts["train"][1][:rows]) for penalty in PENALTIES]
    best = max(models, key=lambda model: float(model.score(inputs["dev"], parts["dev"][1])))
    return float(best.score(inputs["test"], parts["test"][1]))


if __name__ == "__main__":
    main()
