"""Read the rows of data sets whose items come one by one, and make batches ahead of the step that needs them."""
