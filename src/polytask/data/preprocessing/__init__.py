"""Convert texts and tables to arrays, and normalize numbers with statistics of the training rows."""
