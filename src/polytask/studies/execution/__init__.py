"""Execution of the jobs of a study, in parallel processes or on a cluster."""
