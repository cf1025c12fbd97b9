"""Architectures with one trunk that tasks share, in whole or in part."""
