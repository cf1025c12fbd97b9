"""Setup of a run: loading data, resolving the configuration, and starting or resuming the run in its folder."""
