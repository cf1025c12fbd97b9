"""Model that ignores the inputs: a share of it keeps a blend careful where the inputs tell little."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from polytask.table_arms.proper_scores import trivial_outputs
from polytask.table_arms.table_model_base import Floats, TableArm, TableRows
from polytask.tasks.tabular_learning import TabularLearning


@final
class TrivialArm(TableArm):
    """Shares of classes, one added to each count, and means of numbers and rates."""

    name: ClassVar[str] = "trivial"

    def fit_chosen(self, learned: TableRows, held_out: TableRows, final: TableRows, seed: int) -> None:
        """Compute shares and means; nothing is chosen or random."""
        del learned, held_out, seed
        self._outputs: dict[str, Floats] = {}
        for name, learning in self.learnings.items():
            _, y, w = final.labeled(name)
            self._outputs[name] = trivial_outputs(learning, y, w, 1)

    def outputs(self, inputs: NDArray[np.float32]) -> dict[str, Floats]:
        """Return the same outputs for every row."""
        return {name: np.repeat(own, len(inputs), axis=0) for name, own in self._outputs.items()}

    def state(self) -> dict[str, Any]:
        """Return the outputs of one row."""
        return {"outputs": dict(self._outputs)}

    @classmethod
    def from_state(cls, learnings: Mapping[str, TabularLearning], state: Mapping[str, Any]) -> Self:
        """Return the model that `state` describes."""
        model = cls(learnings)
        model._outputs = {name: np.asarray(own) for name, own in state["outputs"].items()}
        return model
