"""Variations that wrap any balancer."""

from polytask.registry.rows import Row

ROWS: tuple[Row, ...] = ()
