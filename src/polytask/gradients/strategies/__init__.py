"""Strategies that turn the losses of a step into gradients, one file for each kind of statistic that balancers need."""
