"""The training loop, its state, its progress, and early stopping."""
