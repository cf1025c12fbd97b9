"""Balancers that look at the geometry of the tasks' gradients, step by step: weights from the Gramian."""

from polytask.registry.rows import Row

ROWS: tuple[Row, ...] = ()
