"""Balancers that optimize task weights by a lookahead on other batches."""
