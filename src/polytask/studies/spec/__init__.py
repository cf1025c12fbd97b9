"""Specification of a study: arms and presets."""
