"""Load the data of a run, resolve its configuration, and start or resume it in its folder."""
