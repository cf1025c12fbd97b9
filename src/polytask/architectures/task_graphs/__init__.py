"""Architectures in which tasks feed other tasks."""
