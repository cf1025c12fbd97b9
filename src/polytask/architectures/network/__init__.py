"""Complete networks of stems, encoder, architecture and heads, with their plan, cost and diagram."""
