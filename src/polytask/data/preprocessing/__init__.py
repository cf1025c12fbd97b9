"""Turn texts and tables into arrays, and normalize numbers with statistics of the training rows."""
