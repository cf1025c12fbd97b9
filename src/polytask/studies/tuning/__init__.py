"""Tuning of settings and selection of the joint arm on validation data."""
