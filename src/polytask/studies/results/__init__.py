"""Open the test data and write verdict, costs, recommendation and model."""
