"""Small components shared by several balancers."""
