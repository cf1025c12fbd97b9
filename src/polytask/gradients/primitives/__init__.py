"""Parts that the gradient strategies are made of: graph walks, flat parameters, the Jacobian's buffer, sums over processes."""
