"""Measure task relatedness in trained networks, and group tasks by it."""
