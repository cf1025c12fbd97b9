"""Architectures with one trunk and small task-specific parts."""
