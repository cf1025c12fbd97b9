"""Results of a study: test predictions, verdict, costs, recommendation and model."""
