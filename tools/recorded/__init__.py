"""Jobs of `tools/record_values.py`, and recording of values independently of names."""
