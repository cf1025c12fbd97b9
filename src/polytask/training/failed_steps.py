"""Steps without a solution, and steps with values that are not finite: when they are mentioned, and when they are too many."""

from __future__ import annotations

from dataclasses import dataclass

WARN_ABOVE = 0.01
"""Share of steps without a solution, or with values that are not finite, above which a run, a study and a report warn."""
REFUSE_ABOVE = 0.1
"""Share of such steps above which an arm is not recommended, since its training was not that of its method."""

_NO_SOLUTION = "had no solution for the balancer, so that "
_NOT_FINITE = "had values that are not finite, so that "
_CONSEQUENCES = {
    "unsolved": {
        "skip": f"{_NO_SOLUTION}the shared parameters stood still",
        "sum": f"{_NO_SOLUTION}the plain sum of the gradients took its place",
        "last": f"{_NO_SOLUTION}the weights of an earlier step took its place",
    },
    "non_finite": {
        "raise": f"{_NOT_FINITE}the loss scaler left them out",
        "skip": f"{_NOT_FINITE}they were left out",
        "end": f"{_NOT_FINITE}the loss scaler left them out",
        "drop": f"{_NOT_FINITE}tasks were left out of them",
    },
}
_REMEDIES = {
    "unsolved": "Choose another balancer, or set unsolved to sum or last",
    "non_finite": "Lower the learning rate (lr), clip the gradient (max_grad_norm), or look for extreme inputs",
}
_OPTIONS = {"unsolved": "unsolved=sum or another balancer", "non_finite": "a lower lr"}


@dataclass(frozen=True)
class FailedSteps:
    """Numbers of steps in which a balancer could not do what its method says.

    Attributes:
        steps: Number of steps; a mean over seeds need not be an integer.
        unsolved: Steps in which the balancer's condition had no solution.
        non_finite: Steps in which a value was not finite.
        policies: What was done in such steps: the options `unsolved` and `non_finite` by name.

    Example:
        >>> failed = FailedSteps(200, 30, 0, {"unsolved": "skip", "non_finite": "raise"})
        >>> failed.sentences()[0].partition(". ")[0]
        '15 % of the steps had no solution for the balancer, so that the shared parameters stood still'
        >>> bool(failed.too_many())
        True
    """

    steps: float
    unsolved: float
    non_finite: float
    policies: dict[str, str]

    def sentences(self, above: float = WARN_ABOVE) -> tuple[str, ...]:
        """Return what happened and a remedy, for each kind of such steps whose share of all steps is above a limit."""
        return tuple(f"{self._what(kind)}. {_REMEDIES[kind]}." for kind in self._kinds(above))

    def too_many(self) -> str:
        """Return why the training was not that of the method, with a remedy, or an empty text.

        Steps without a solution in which another update took the place of the method's are no reason against the network.
        """
        return "; ".join(f"{self._what(kind)}. {_REMEDIES[kind]}" for kind in self._unfair())

    def options_to_change(self) -> str:
        """Return the options to change if too many steps went wrong, such as "a lower lr"."""
        return ", and ".join(_OPTIONS[kind] for kind in self._unfair())

    def _unfair(self) -> list[str]:
        return [kind for kind in self._kinds(REFUSE_ABOVE) if kind != "unsolved" or self.policies[kind] == "skip"]

    def _kinds(self, above: float) -> list[str]:
        return [kind for kind in _CONSEQUENCES if getattr(self, kind) > above * self.steps]

    def _what(self, kind: str) -> str:
        share = 100 * getattr(self, kind) / self.steps
        return f"{share:.2g} % of the steps {_CONSEQUENCES[kind][self.policies[kind]]}"
