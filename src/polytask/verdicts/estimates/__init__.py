"""Estimated differences and their intervals, for every design of a study."""
