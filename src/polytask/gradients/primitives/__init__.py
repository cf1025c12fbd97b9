"""Building blocks of gradient strategies: vector-Jacobian products, flat parameters, Jacobian buffers, and communication."""
