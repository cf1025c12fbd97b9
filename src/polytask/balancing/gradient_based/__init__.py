"""Balancers that use the gradients of the tasks."""
