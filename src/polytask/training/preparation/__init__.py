"""Preparation of sources for training, and the default network for them."""
