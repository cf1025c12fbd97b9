"""Experts that tasks share through gates."""
