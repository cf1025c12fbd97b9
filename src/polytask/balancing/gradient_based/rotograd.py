"""Gradients of equal length at the representation, with features rotated until their directions agree."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, final

import torch
from torch import Tensor, nn

from polytask.balancing.balancer import Balancer, RepresentationGradients
from polytask.balancing.building_blocks.feature_rotations import FeatureRotations
from polytask.balancing.building_blocks.option_checks import check_positive
from polytask.balancing.needs import Needs, Representations
from polytask.balancing.statistic import Representation, Statistic
from polytask.errors import ConfigError


@final
class RotoGrad(Balancer):
    """Gradient homogenization (Javaloy & Valera, ICLR 2022, sections 3.1 and 3.2).

    Every task t gets the features through a separate rotation, R_t z (architecture `rotated`). With g̃_t = ∂L_t/∂(R_t z) of all N
    rows and G_t = g̃_t R_t, the same gradient at z:

        U_t = G_t / ‖G_t‖,    α_t ∝ ‖G_t‖ / ‖G_t⁰‖,  Σ α_t = 1,    C = Σ α_t ‖G_t‖,    ∂L/∂z = C Σ_t U_t

    so that the gradients of all tasks at the trunk are equally long, with a length dominated by tasks that lag behind. Adam updates the
    rotations by descent along

        (1/N) Σ_rows ‖R_t V − g̃_t‖²,    V = mean_t of ‖mean_s G_s‖ U_t

    so that directions come to agree. G_t⁰ is recorded in the first step, and again after `burn_in` steps. Heads get the plain gradient
    of their task.

    Scale: as in the paper, C times the sum of unit gradients. A zero row is ignored. Multiplying all losses by a constant multiplies
    the direction by it.

    Defaults: a burn-in of 20 steps (the authors' code). The rotations' learning rate 1e-4, a tenth of Adam's usual one, is ours; the
    paper requires one below the network's.

    Deviations: rotations start at the identity, so that the network starts as one with plain hard sharing; the authors draw them. No decay
    of the rotations' learning rate, since the paper does not specify its schedule. A rotation is stored as the exponential of a
    skew-symmetric matrix and updated in the entries of that matrix, each by the step of Adam, as in the authors' code.

    Fails: tasks with different rows are refused, since their gradients have no common mean. If the rotations' learning rate is above
    the network's, the heads cannot follow their features.

    Args:
        lr: Learning rate of the rotations, above 0.
        burn_in: Number of steps after which G⁰ is recorded again.

    Raises:
        ConfigError: The learning rate is not above 0, or the network has no rotations.

    Example:
        >>> balancer = RotoGrad()
        >>> balancer.bind(FeatureRotations(["0", "1"], size=2))
        >>> balancer.aggregate(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        tensor([2., 2.])
    """

    reads_once = True

    def __init__(self, lr: float = 1e-4, burn_in: int = 20) -> None:
        self.lr, self.burn_in = check_positive(lr, "rotograd, lr"), burn_in
        self._rotations: FeatureRotations | None = None
        self._steps = 0
        self._first: dict[str, float] = {}
        self._moments: dict[str, dict[str, Any]] = {}

    def bind(self, network: nn.Module) -> None:
        """Find the network's rotations.

        Raises:
            ConfigError: The network has no rotations.
        """
        found = [module for module in network.modules() if isinstance(module, FeatureRotations)]
        if not found:
            raise ConfigError("the network has no rotations", where="rotograd", remedy="Choose the architecture 'rotated'")
        self._rotations = found[0]

    def needs(self) -> Needs:
        """Request the representations."""
        return Representations()

    def weigh(self, statistic: Statistic) -> RepresentationGradients:
        """Return Σ_t C g̃_t / ‖g̃_t‖ at every representation, and update the rotations.

        Raises:
            ConfigError: No network is bound, or tasks have different rows.
        """
        rotations = self._rotations
        if rotations is None:
            raise ConfigError("no network is known", where="rotograd", remedy="Pass model= to Backward, or call bind(model)")
        seen = statistic.representations()
        turned = {task: gradient for part in seen for task, gradient in zip(part.names, part.gradients, strict=True)}
        if len({gradient.shape for gradient in turned.values()}) > 1 or len(turned) < len(statistic.names):
            remedy = "Choose another balancer for tasks with different sources"
            raise ConfigError("all tasks must have the same rows", where="rotograd", remedy=remedy)
        squares = statistic.read(*(gradient.double().square().sum() for gradient in turned.values()))
        lengths = {task: sqrt(float(seen[0].total(square))) for task, square in zip(turned, squares, strict=True)}
        factors = self._factors(lengths)
        self._steps += 1
        self._turn(rotations, turned, lengths, seen[0])
        return RepresentationGradients(tuple(_weighted_sum(part, factors) for part in seen))

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps, the first lengths, and the moments of the rotations; the rotations belong to the network."""
        moments = {task: {name: _clone_state(value) for name, value in moment.items()} for task, moment in self._moments.items()}
        return {"steps": self._steps, "first": dict(self._first), "moments": moments}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._steps, self._first = int(state["steps"]), dict(state["first"])
        self._moments = {task: {name: _clone_state(value) for name, value in moment.items()} for task, moment in state["moments"].items()}

    def _factors(self, lengths: Mapping[str, float]) -> dict[str, float]:
        """Return C / ‖G_t‖ per task; 0 for zero rows."""
        if self._steps == self.burn_in:
            self._first |= {task: length for task, length in lengths.items() if length > 0.0}
        for task, length in lengths.items():
            if length > 0.0:
                self._first.setdefault(task, length)
        ratios = {task: length / self._first[task] for task, length in lengths.items() if length > 0.0}
        total = sum(ratios.values())
        common = sum(ratio / total * lengths[task] for task, ratio in ratios.items())
        return {task: common / length if length > 0.0 else 0.0 for task, length in lengths.items()}

    def _turn(self, rotations: FeatureRotations, turned: Mapping[str, Tensor], lengths: Mapping[str, float], seen: Representation) -> None:
        """Take one step of Adam that lowers Σ_t (1/N) Σ_rows ‖R_t V − g̃_t‖²."""
        size = rotations.size
        back = {task: _unrotate(gradient, rotations.matrix(task)) for task, gradient in turned.items() if lengths[task] > 0.0}
        if not back:
            return
        count = len(turned)
        common = _length(sum(back.values(), start=torch.zeros_like(next(iter(back.values())))) / count, seen)
        target = sum((gradient * (common / lengths[task] / count) for task, gradient in back.items()), start=torch.zeros(()))
        rows = float(seen.total(torch.tensor(float(len(seen.values)), dtype=torch.float64)))
        for task in back:
            V, gradient = target[:, :size], turned[task][:, :size]
            slope = seen.total((V @ rotations.matrix(task).to(V).T - gradient).T @ V) * (2.0 / rows)
            rotations.turn(task, self._stepped(task, rotations.generator(task), slope))

    def _stepped(self, task: str, generator: Tensor, slope: Tensor) -> Tensor:
        """Return A_t after one step of Adam, given the gradient with respect to R_t."""
        variable = generator.double().requires_grad_()
        with torch.enable_grad():
            matrix = torch.linalg.matrix_exp(variable - variable.T)
            (gradient,) = torch.autograd.grad(matrix, variable, slope.to(matrix))
        moment = self._moments.setdefault(task, {"steps": 0, "first": torch.zeros_like(gradient), "second": torch.zeros_like(gradient)})
        moment.update({name: moment[name].to(gradient.device) for name in ("first", "second")})  # a loaded state is on the CPU
        moment["steps"] += 1
        moment["first"] = 0.9 * moment["first"] + 0.1 * gradient
        moment["second"] = 0.999 * moment["second"] + 0.001 * gradient.square()
        mean = moment["first"] / (1 - 0.9 ** moment["steps"])
        spread = (moment["second"] / (1 - 0.999 ** moment["steps"])).sqrt()
        # An entry of the skew-symmetric A − Aᵀ is the difference of two entries of A, which move by the same step in opposite directions.
        moved: Tensor = generator.double() - 0.5 * self.lr * mean / (spread + 1e-8)
        return moved


def _length(gradient: Tensor, seen: Representation) -> float:
    """Return ‖∂L/∂z‖ over the rows of all processes."""
    return sqrt(float(seen.total(gradient.double().square().sum().cpu())))


def _unrotate(gradient: Tensor, matrix: Tensor) -> Tensor:
    """Return g̃ R, the gradient with respect to the features before the rotation."""
    size = len(matrix)
    return torch.cat([gradient[:, :size] @ matrix.to(gradient), gradient[:, size:]], dim=1)


def _weighted_sum(part: Representation, factors: Mapping[str, float]) -> Tensor:
    """Return the sum of the gradients of the tasks that use a representation, each multiplied by its factor."""
    weights = torch.tensor([factors[task] for task in part.names], dtype=part.gradients.dtype)
    weights = weights.to(part.gradients.device, non_blocking=True)
    joined: Tensor = torch.tensordot(weights, part.gradients, dims=1)
    return joined


def _clone_state(value: Any) -> Any:  # noqa: ANN401 - a tensor or a number
    return value.clone() if isinstance(value, Tensor) else value
