"""Verdicts on predictions that other programs have made."""
