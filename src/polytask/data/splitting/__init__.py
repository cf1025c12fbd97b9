"""Divide the rows of a source into training, validation and test parts."""
