"""Decide whether a difference between two ways of training is real."""
