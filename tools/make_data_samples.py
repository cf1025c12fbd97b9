"""Draw the samples that ship with polytask from the publishers' files.

    POLYTASK_DATA=folder python tools/make_data_samples.py

A sample has 2,000 training and 4,000 test images per data set, balanced over classes, drawn with a fixed seed and kept in the
order of the files. They are stored losslessly as compressed NumPy archives in src/polytask/datasets/samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.datasets.mnist_fashion import TASK_OF_SOURCE, load_full_part

SAMPLES = Path(__file__).parent.parent / "src" / "polytask" / "datasets" / "samples"
ROWS = {"train": 2_000, "t10k": 4_000}
SEED = 20_250_101
MOST_BYTES = 5_000_000


def main() -> None:
    """Write the archives of both data sets."""
    SAMPLES.mkdir(exist_ok=True)
    for source in TASK_OF_SOURCE:
        arrays: dict[str, NDArray[Any]] = {}
        for part, rows in ROWS.items():
            images, labels, units = load_full_part(source, part)
            random = np.random.default_rng(SEED)
            classes = np.unique(labels)
            drawn = [random.permutation(np.flatnonzero(labels == code))[: rows // len(classes)] for code in classes]
            chosen = np.sort(np.concatenate(drawn))
            arrays |= {
                f"{part}_images": images[chosen],
                f"{part}_labels": labels[chosen],
                f"{part}_units": units[chosen].astype(np.uint16),
            }
        np.savez_compressed(SAMPLES / f"{source}.npz", allow_pickle=False, **arrays)
    sizes = {path.name: path.stat().st_size for path in sorted(SAMPLES.glob("*.npz"))}
    print(f"{sizes}, {sum(sizes.values()):,} bytes in all")
    if sum(sizes.values()) > MOST_BYTES:
        raise SystemExit(f"the samples must have at most {MOST_BYTES:,} bytes")


if __name__ == "__main__":
    main()
