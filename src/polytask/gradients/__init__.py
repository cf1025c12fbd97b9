"""How the statistics that balancers ask for are obtained, and how `.grad` gets filled."""

from polytask.gradients.backward import Backward, Report, backward
from polytask.gradients.sharing import reached

__all__ = ["Backward", "Report", "backward", "reached"]
