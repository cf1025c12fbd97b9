"""Balancers that optimize task weights by looking ahead on other batches."""
