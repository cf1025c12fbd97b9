"""Specifications of polytask's own components: one table per group, as plain data that does not need torch."""
