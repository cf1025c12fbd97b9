"""Balancers that look at the gradients of the tasks."""
