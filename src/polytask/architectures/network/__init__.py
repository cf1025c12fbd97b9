"""The whole network: stems, encoder, sharing and heads; its plan, cost and diagram."""
