"""Options of a verdict on given predictions."""
