"""Choose which rows of which sources each training step sees."""
