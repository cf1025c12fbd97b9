"""What ships with polytask: one table per group of components, plain data that needs no torch."""
