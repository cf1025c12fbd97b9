"""Adapters for balancers of other libraries."""
