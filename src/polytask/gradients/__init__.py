"""How the statistics that balancers ask for are obtained, and how `.grad` gets filled.

A batch's way through this house: `backward` opens a step (`one_step`), whose losses and counts `step` adds up; `choice`
names the path to what the balancer needs (`by_losses`, `by_rows`, `by_representations`, `by_batches`); the path walks the
graphs (`walking`), keeps rows (`rows`, laid out by `layout`), answers the balancer's questions, and fills `.grad`, directly
or after all `processes` have added their part (`sink`).
"""

from polytask.gradients.backward import Backward, backward
from polytask.gradients.conflicts import Conflicts
from polytask.gradients.report import Report
from polytask.gradients.sharing import reached

__all__ = ["Backward", "Conflicts", "Report", "backward", "reached"]
