"""Parts of verdict.json about the networks of a study: what stands out in their training, and how much one of them may vary."""

from __future__ import annotations

from polytask.run_files.base import FileSection, Interval, OptionalNumber


class Finding(FileSection):
    """Something that stands out in the training or the predictions of an arm.

    Attributes:
        kind: `diverged`, `undertrained` (the best epoch is the last), `edge` (the best learning rate is the lowest or highest that was
            tried), `outlier` (a seed stands apart), `identical` (all seeds predict the same), `trivial` (the arm is no better than a
            predictor that ignores the inputs) or `baseline` (a model that is no network is better in every seed than all networks).
        arm: Name of the arm.
        tasks: Tasks that it concerns.
        seeds: Seeds that it concerns; empty for all.
        text: The finding as a sentence.
    """

    kind: str
    arm: str
    tasks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    text: str = ""


class ShippedRisk(FileSection):
    """What to expect of one network of the recommended arm on one task: its metric, and its difference from a single-task network.

    Attributes:
        mean: Mean of the metric over seeds.
        sd: Standard deviation of the metric over seeds.
        interval: 95 % prediction interval of the metric of one network, whose seed is new.
        difference_interval: 95 % prediction interval of the difference from the single-task network of the same seed, in the metric's unit;
            positive is better. None if the recommended arm is the single-task one.
    """

    mean: OptionalNumber = None
    sd: OptionalNumber = None
    interval: Interval | None = None
    difference_interval: Interval | None = None
