"""Measurement of task relatedness, and grouping of tasks by affinity."""
