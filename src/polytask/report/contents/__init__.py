"""Read the files of a run folder as typed data."""
