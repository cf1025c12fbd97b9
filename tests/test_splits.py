"""The committed splits of the benchmark of real tables are those of its figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

SPLITS = Path(__file__).parents[1] / "benchmarks" / "splits.parquet"
ROWS = {"enb": 768, "jura": 359, "wq": 1060, "scpf": 1137, "census": 20_000, "401ksubs": 9_275, "tox21": 8_014}
SEEDS = range(5)


@pytest.mark.skipif(not SPLITS.exists(), reason="benchmarks are no part of the source archive")
def test_the_test_rows_are_the_first_fifth_of_each_permutation() -> None:
    table = pq.read_table(SPLITS)
    assert {name.decode() for name in table.schema.metadata} == set(ROWS), "a fingerprint of every table"
    found = {key: own["row"].tolist() for key, own in table.to_pandas().groupby(["data", "seed"])}
    assert set(found) == {(name, seed) for name in ROWS for seed in SEEDS}
    for (name, seed), rows in found.items():
        drawn = np.random.default_rng(seed).permutation(ROWS[name])[: ROWS[name] // 5]
        assert rows == sorted(drawn.tolist()), (name, seed)
