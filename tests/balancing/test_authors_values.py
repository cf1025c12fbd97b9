"""What authors use: method, values, the public file that has them, and its commit. Run scripts count before defaults of parsers.

A commit of `None` means that the file was not found at a commit, and that the values come from the paper or from another library's reading.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import pytest

from polytask.registry import find, load_class


@dataclass(frozen=True)
class Used:
    """Values that somebody uses, and whether ours are the same.

    Attributes:
        method: Registry name.
        values: Option and value, in this library's names.
        place: Repository and file.
        commit: Commit of the file that was read.
        said: What the docstring says of it; required where values differ from our defaults.
    """

    method: str
    values: dict[str, Any] = field(hash=False)
    place: str
    commit: str | None
    said: str = ""


CAGRAD, FAMO, FAIR = "Cranial-XIX/CAGrad", "Cranial-XIX/FAMO", "OptMN-Lab/fairgrad"
SDM, LIBMTL, AUTO = "OptMN-Lab/sdmgrad", "median-research-group/LibMTL", "lorenmt/auto-lambda"
GOOGLE = "google-research/google-research"

# fmt: off
TABLE = (
    Used("cagrad", {"c": 0.4}, f"{CAGRAD}: nyuv2/run.sh", "cfb9c951d7e7d1127149ae7755ad5effbf769d99"),
    Used("cagrad", {"c": 0.4, "rescale": 1}, f"{AUTO}: trainer_dense.py", "0fc8431936201889e4b8dd487625b772de5c7ce0"),
    Used("cagrad", {"c": 0.5, "rescale": 2}, f"{CAGRAD}: toy.py", "ef7274c1a861d3598d8dfb20e5cee12bbf8eff30", "c = 0.5 and rescaling 2"),
    Used("fairgrad", {"alpha": 2.0}, f"{FAIR}: experiments/celeba/run.sh", "bb7e8a606634408901969cf7a83467cee032cd76"),
    Used("fairgrad", {"alpha": 2.0}, f"{FAIR}: experiments/quantum_chemistry/run.sh", "bb7e8a606634408901969cf7a83467cee032cd76"),
    Used("famo", {"gamma": 0.001}, f"{FAMO}: experiments/quantum_chemistry/run.sh", "135d87e7b618402b8447397a3e016cd4505699ff"),
    Used("famo", {"gamma": 0.01}, f"{FAMO}: experiments/celeba/run.sh", "5b92c20278c7c260affe6bbfc1e632fdb63588cc", "γ = 0.01"),
    Used("famo", {"lr": 0.025, "gamma": 0.01}, f"{FAMO}: famo.py", "250873e763412f7460c05877491d383645bf3fde", "`famo.py`"),
    Used("sdmgrad", {"lambda_": 0.3, "steps": 20}, f"{SDM}: experiments/nyuv2/run.sh", "d17a3d68c31be33854c65320922adb568c1a7bc5"),
    Used("sdmgrad", {"lr": 10.0, "momentum": 0.5}, f"{SDM}: methods/weight_methods.py, as TorchJD 0.18 reads it", None),
    Used("moco", {"beta": 0.1, "gamma": 0.1, "beta_sigma": 0.0, "gamma_sigma": 0.0, "rho": 0.0}, "the authors' code", None),
    Used("moco", {"beta": 0.5, "beta_sigma": 0.5, "gamma": 0.1, "gamma_sigma": 0.5}, f"{LIBMTL}: LibMTL/weighting/MoCo.py",
         "8b8f1d030377b14d9c29017e11e2586944a23d9b", "belong to another algorithm"),
    Used("modo", {"gamma": 1e-3, "rho": 0.1}, f"{LIBMTL}: LibMTL/weighting/MoDo.py", "7a2cbe207c9d67c03b1f5bb9303e436ed8714ac3"),
    Used("auto-lambda", {"initial_weight": 0.1}, f"{AUTO}: auto_lambda.py", "0fc8431936201889e4b8dd487625b772de5c7ce0"),
    Used("auto-lambda", {"lr": 1e-4}, f"{AUTO}: trainer_dense.py", "0fc8431936201889e4b8dd487625b772de5c7ce0"),
    Used("dwa", {"temperature": 2.0}, f"{AUTO}: trainer_dense.py", "0fc8431936201889e4b8dd487625b772de5c7ce0"),
    Used("dwa", {"temperature": 2.0, "window": 25}, f"{SDM}: methods/weight_methods.py, from Nash-MTL's code",
         "d17a3d68c31be33854c65320922adb568c1a7bc5"),
    Used("uncertainty", {"initial_value": 0.0}, f"{FAIR}: methods/weight_methods.py", "bb7e8a606634408901969cf7a83467cee032cd76"),
    Used("moml", {"lr": 1e-3, "inner_lr": 0.1}, f"{LIBMTL}: LibMTL/config.py", None),
    Used("excess-mtl", {"lr": 1e-2}, f"{LIBMTL}: LibMTL/config.py", None),
    Used("db-mtl", {"beta": 0.9, "beta_sigma": 0.0}, f"{LIBMTL}: LibMTL/config.py", None),
)
# fmt: on


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.method} {row.place.rpartition(': ')[2]}")
def test_defaults_are_theirs_or_the_docstring_says_what_theirs_are(row: Used) -> None:
    cls = load_class(find("balancer", row.method))
    defaults = {name: own.default for name, own in inspect.signature(cls).parameters.items()}
    assert row.values.keys() <= defaults.keys()
    differs = {name: value for name, value in row.values.items() if defaults[name] != value}
    text = " ".join((cls.__doc__ or "").split())
    assert bool(differs) == bool(row.said), differs
    assert row.said in text


def test_commits_are_commits() -> None:
    assert all(row.commit is None or (len(row.commit) == 40 and set(row.commit) <= set("0123456789abcdef")) for row in TABLE)


def test_who_speaks_of_run_scripts_has_a_row_of_one() -> None:
    for method in ("fairgrad", "famo", "cagrad"):
        assert any("run.sh" in row.place for row in TABLE if row.method == method)
