"""Architectures with experts that tasks share through gates."""
