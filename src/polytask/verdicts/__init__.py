"""Statistical tests that decide whether an arm differs from the baseline."""
