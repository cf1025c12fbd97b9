"""Which tasks are related: what each does to the others while they are trained together, and what to group."""
