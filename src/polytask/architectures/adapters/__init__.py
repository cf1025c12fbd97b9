"""One trunk with small task-specific parts."""
