"""Boosted trees of LightGBM, one model per target (extra `trees`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from polytask.table_arms.proper_scores import mean_loss, trivial_outputs
from polytask.table_arms.table_model_base import Floats, TableArm, TableRows, is_poisson
from polytask.tasks.tabular_learning import TabularLearning

MOST_ROUNDS, PATIENCE = 800, 40
SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"num_leaves": 31, "min_child_samples": 20},
    {"num_leaves": 8, "min_child_samples": 5, "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1},
    {"num_leaves": 31, "min_child_samples": 3, "extra_trees": True, "feature_fraction": 0.7, "lambda_l2": 1.0},
)
"""Settings to choose from; the learning rate is 0.05 in all of them."""


def has_lightgbm() -> bool:
    """Return whether LightGBM is installed."""
    return find_spec("lightgbm") is not None


@final
class LightTreesArm(TableArm):
    """Gradient boosting of LightGBM, one model per task (Ke et al., NIPS 2017).

    The setting and the number of rounds are those with the best proper score on a fifth of the rows, stopped after 40 rounds without
    improvement; the model is then fitted to all rows, with rounds in proportion to them. Models are stored in LightGBM's text format,
    which holds numbers only.
    """

    name: ClassVar[str] = "trees"

    def fit_chosen(self, learned: TableRows, held_out: TableRows, final: TableRows, seed: int) -> None:
        """Choose setting and rounds of each task, then fit the model."""
        self._models: dict[str, str] = {}
        self._constants: dict[str, list[float]] = {}
        for name, learning in self.learnings.items():
            place, y, w = final.labeled(name)
            if len(np.unique(y)) < 2:
                self._constants[name] = trivial_outputs(learning, y, w, 1).ravel().tolist()
                continue
            setting, rounds = self._chosen(name, learned, held_out, seed)
            model = self._trained(name, final, setting, max(10, round(rounds * len(place) / max(1, len(learned.labeled(name)[0])))), seed)
            self._models[name] = model.model_to_string()
        self._boosters: dict[str, Any] = {}

    def outputs(self, inputs: NDArray[np.float32]) -> dict[str, Floats]:
        """Return probabilities (N, C), numbers or rates (N,) of each task for inputs (N, F)."""
        import lightgbm

        found = {}
        for name, learning in self.learnings.items():
            if name in self._constants:
                constant = np.asarray(self._constants[name])
                found[name] = np.tile(constant, (len(inputs), 1)) if learning.classes else np.full(len(inputs), constant[0])
                continue
            if name not in self._boosters:
                self._boosters[name] = lightgbm.Booster(model_str=self._models[name])
            found[name] = _shaped(learning, self._boosters[name].predict(inputs.astype(np.float64), num_threads=1))
        return found

    def state(self) -> dict[str, Any]:
        """Return the models as texts."""
        return {"models": dict(self._models), "constants": dict(self._constants)}

    @classmethod
    def from_state(cls, learnings: Mapping[str, TabularLearning], state: Mapping[str, Any]) -> Self:
        """Return the model that `state` describes."""
        model = cls(learnings)
        model._models, model._constants, model._boosters = dict(state["models"]), dict(state["constants"]), {}
        return model

    def _chosen(self, name: str, learned: TableRows, held_out: TableRows, seed: int) -> tuple[Mapping[str, Any], int]:
        """Return the best setting of a task, and its number of rounds."""
        place, y, w = held_out.labeled(name)
        if not len(place) or len(np.unique(learned.labeled(name)[1])) < 2:
            return SETTINGS[1], 50
        best, chosen = np.inf, (SETTINGS[0], 10)
        for setting in SETTINGS:
            model = self._trained(name, learned, setting, MOST_ROUNDS, seed, held_out)
            raw = _shaped(self.learnings[name], model.predict(held_out.inputs[place].astype(np.float64), num_threads=1))
            loss = mean_loss(self.learnings[name], y, raw, w)
            if loss < best:
                best, chosen = loss, (setting, int(model.best_iteration or MOST_ROUNDS))
        return chosen

    def _trained(
        self, name: str, rows: TableRows, setting: Mapping[str, Any], rounds: int, seed: int, held_out: TableRows | None = None
    ) -> Any:  # noqa: ANN401 - a booster of LightGBM
        import lightgbm

        options = {
            "learning_rate": 0.05,
            "verbosity": -1,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "seed": seed % 2**31,
            **_objective(self.learnings[name]),
            **setting,
        }
        learned = _dataset(rows, name)
        stops: list[Callable[..., Any]] = [lightgbm.early_stopping(PATIENCE, verbose=False)] if held_out is not None else []
        tested = [_dataset(held_out, name, learned)] if held_out is not None else []
        return lightgbm.train(options, learned, rounds, valid_sets=tested, callbacks=stops)


def _objective(learning: TabularLearning) -> dict[str, Any]:
    if learning.classes > 2:
        return {"objective": "multiclass", "num_class": learning.classes}
    if learning.classes:
        return {"objective": "binary"}
    return {"objective": "poisson" if is_poisson(learning) else "regression"}


def _shaped(learning: TabularLearning, found: Any) -> Floats:  # noqa: ANN401 - an array of LightGBM
    """Return the outputs of a booster as raw outputs."""
    values = np.asarray(found, dtype=np.float64)
    return np.column_stack([1 - values, values]) if learning.classes == 2 else values


def _dataset(rows: TableRows, name: str, reference: Any = None) -> Any:  # noqa: ANN401 - a data set of LightGBM
    import lightgbm

    place, y, w = rows.labeled(name)
    categories = np.flatnonzero(rows.cardinalities > 0).tolist()
    options = {"min_data_in_bin": 1, "verbosity": -1, "feature_pre_filter": False}
    return lightgbm.Dataset(
        rows.inputs[place].astype(np.float64),
        y,
        weight=w,
        reference=reference,
        categorical_feature=categories,
        params=options,
        free_raw_data=False,
    )
