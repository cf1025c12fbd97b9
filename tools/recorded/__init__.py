"""What `tools/record_values.py` runs, and how values are recorded whatever things are called."""
