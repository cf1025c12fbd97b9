"""Balancers that weight tasks by their losses alone."""
