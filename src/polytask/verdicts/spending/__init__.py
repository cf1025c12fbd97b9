"""How a verdict spends its error: over looks at the test data, and over tasks and their mean."""
