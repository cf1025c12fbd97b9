"""Small parts that several balancers share."""
