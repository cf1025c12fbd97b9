"""Tune settings and select arms on validation data."""
