"""Arms of studies of one table that are no networks, what sharing does among them, and which arm to ship."""
