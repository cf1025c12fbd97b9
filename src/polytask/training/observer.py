"""Who looks at a network while it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from polytask.training.loop import Loop
    from polytask.training.preparation import Batch


class Observer(Protocol):
    """Looks at a network while it is trained, and leaves no trace in it: not in weights, buffers, gradients or generators."""

    def before_step(self, loop: Loop, batches: Mapping[str, Batch]) -> None:
        """Called before every step with the rows that it will see; whether there is anything to look at is the observer's own affair."""

    def after_epoch(self) -> Mapping[str, Mapping[str, float]]:
        """What the history keeps of an epoch, by name and task."""

    def found(self) -> Mapping[str, Any]:
        """What has been found so far, as plain data."""

    def identity(self) -> Mapping[str, Any]:
        """What it looks at, as plain data: a run goes on with the observer that it was begun with."""

    def state_dict(self) -> dict[str, Any]:
        """Nested dictionaries of tensors and plain data."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
