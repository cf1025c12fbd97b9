"""From sources to prepared data and a default network."""
