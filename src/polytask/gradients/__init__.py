"""How the statistics that balancers ask for are obtained, and how `.grad` gets filled.

A batch's way: `Backward` (`engine`) opens a `Step`, whose losses and counts `StepLosses` adds up; `routing` chooses the strategy for
what the balancer needs (`strategies/`); the strategy walks the graphs and keeps what it finds (`primitives/`), is the statistic that the
balancer looks at, and fills `.grad` from the answer, directly or after all processes have added their part.
"""

from polytask.gradients.engine import Backward, backward
from polytask.gradients.primitives.reachability import reached
from polytask.gradients.step_report import Conflicts, Report

__all__ = ["Backward", "Conflicts", "Report", "backward", "reached"]
