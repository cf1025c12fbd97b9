"""Types of the values of options: names of components, and numbers with limits."""
