"""Computation of the statistics that balancers need, and of `.grad` from a balancer's answer.

For every step, `Backward` (`engine`) creates a `Step`, which sums losses and counts in `StepLosses`. `strategy_choice` chooses the strategy
for what the balancer needs (`strategies/`). The strategy backpropagates and keeps the gradients (`primitives/`), is the statistic that
the balancer sees, and fills `.grad` from the balancer's answer, directly or after a sum over all processes.
"""

from polytask.gradients.engine import Backward
from polytask.gradients.primitives.reachability import reached
from polytask.gradients.stateless_backward import backward
from polytask.gradients.step_report import Conflicts, Report

__all__ = ["Backward", "Conflicts", "Report", "backward", "reached"]
