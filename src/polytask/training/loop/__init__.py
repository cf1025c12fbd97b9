"""The training loop, its state, its progress, and when it stops."""
