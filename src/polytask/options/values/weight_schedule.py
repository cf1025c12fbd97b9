"""Weight of a task as a function of the epoch, as users write it: a number, or points that are joined by straight lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from polytask.options.values.limits import MOST_EPOCHS

Points = dict[Annotated[int, Field(ge=1, le=MOST_EPOCHS)], Annotated[float, Field(ge=0, allow_inf_nan=False)]]


def points_of(given: Any) -> Any:  # noqa: ANN401 - pydantic validates the points
    """Return the points of a weight schedule, epoch to weight: of a number, of `epoch:weight` pairs joined by slashes, or of a mapping.

    Raises:
        ValueError: There is no point, or an epoch is given twice.

    Example:
        >>> points_of(0.5), points_of("1:0/10:1"), points_of({1: 0.0})
        ({1: 0.5}, {'1': '0', '10': '1'}, {1: 0.0})
    """
    if isinstance(given, Mapping):
        if not given:
            raise ValueError("a weight schedule needs at least one epoch with its weight")
        return given
    text = str(given)
    if ":" not in text:
        return {1: given}
    pairs = [pair.partition(":")[::2] for pair in text.split("/")]
    points = {epoch.strip(): weight.strip() for epoch, weight in pairs}
    if len(points) < len(pairs):
        raise ValueError(f"an epoch has one weight, found {text!r}")
    return points


_POINTS = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number", "minimum": 0}}
WeightSchedule = Annotated[
    Points, BeforeValidator(points_of), WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}, _POINTS]})
]
"""Weights at some epochs, by epoch."""


def weight_at(points: Mapping[int, float], epoch: int) -> float:
    """Return the weight of an epoch: linear between two points, and constant before the first and after the last.

    Args:
        points: Weights by epoch, from 1; at least one.
        epoch: Epoch, from 1.

    Example:
        >>> [weight_at({2: 0.0, 6: 1.0}, epoch) for epoch in (1, 2, 3, 6, 9)]
        [0.0, 0.0, 0.25, 1.0, 1.0]
    """
    before, after = max((e for e in points if e <= epoch), default=min(points)), min((e for e in points if e >= epoch), default=max(points))
    if before == after or epoch < before or epoch > after:
        return points[before if epoch >= before else after]
    share = (epoch - before) / (after - before)
    return points[before] + share * (points[after] - points[before])
