"""Learning curves: studies with nested shares of the labels, and what they say together."""
