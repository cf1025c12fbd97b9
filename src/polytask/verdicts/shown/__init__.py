"""Verdicts and advice in words, tables and pictures."""
