"""Study a task of two numbers beside a class that is not always known: python examples/vector_targets.py [epochs]."""

import sys

import numpy as np

import polytask as pt

LEFT, RIGHT, UNKNOWN = 0, 1, 255


def arms(rows: int, seed: int) -> pt.Source:
    """Angles of the three joints of an arm, the place of its hand, and on which side of the shoulder the hand is."""
    random = np.random.default_rng(seed)
    angles = random.uniform(-1, 1, size=(rows, 3)).astype(np.float32)
    turned = angles.cumsum(axis=1)
    hand = np.stack([np.cos(turned).sum(axis=1), np.sin(turned).sum(axis=1)], axis=1) + random.normal(size=(rows, 2)) / 20
    side = np.where(hand[:, 1] > 0, RIGHT, LEFT)
    hand[random.random(hand.shape) < 0.1] = np.nan  # a camera did not see it
    side[random.random(rows) < 0.2] = UNKNOWN
    return pt.Source("arms", angles, {"hand": hand, "side": side})


if __name__ == "__main__":
    tasks = (
        pt.tasks.VectorRegression(name="hand", columns=("x", "y")),
        pt.tasks.Binary(name="side", classes=(LEFT, RIGHT), ignore_index=UNKNOWN),
    )
    training = {"epochs": int([*sys.argv, "20"][1])}
    study = pt.Study([arms(600, 0)], tasks, ["single", "equal"], 3, test=lambda: (arms(300, 1),), training=training)
    print(study.run("runs/arms").verdict)
    print(pt.load("runs/arms").predict(arms(3, 2).inputs))
