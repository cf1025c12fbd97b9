"""Strategies that turn the losses of a step into gradients, one module for each kind of statistic that balancers need."""
