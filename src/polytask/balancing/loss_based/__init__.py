"""Balancers that weigh tasks by their losses alone."""
