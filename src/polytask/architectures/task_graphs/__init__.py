"""Tasks that feed other tasks."""
