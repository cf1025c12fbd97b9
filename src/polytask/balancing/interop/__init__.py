"""Balancers of other libraries."""
