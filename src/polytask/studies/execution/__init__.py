"""Train the networks of a study, in parallel or on a cluster."""
