"""One row per balancer, and the steps on which every row is tried: a row here buys a method the whole battery."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from polytask.balancing import Balancer, MatrixStatistic, Weights, answer_to_direction
from polytask.balancing.factory import balancer_named
from polytask.registry.parsing import parse_balancer

NAMES = tuple(f"t{number}" for number in range(40))


@dataclass(frozen=True)
class Exemption:
    """Why the hard task need not be learned as with the plain sum beside one that is learned well, and how well it is learned all the same.

    Attributes:
        equation: The equation of the paper by which the learned task turns the direction away from the others, or shortens it without
            bound.
        loop: The smallest R² of the hard task of five seeds in `test_easy_tasks.py`. The floor is `SLACK` below it.
        estimator: The smallest of three seeds in `test_easy_tasks_in_estimators.py`. What is not tried there is not a number: further
            forms of a balancer.
    """

    equation: str
    loop: float
    estimator: float = math.nan


BEHIND, SLACK = 0.03, 0.1
"""How far below that of the plain sum an R² may be, and what another processor may take away from the smallest that was measured."""


@dataclass(frozen=True)
class Row:
    """What one balancer promises.

    Attributes:
        spelled: As users write it.
        degree: k in A(cJ) = c^k A(J), for the first step and unchanged losses; None where the method's own step sizes have units.
        zero_row: The direction beside a zero row: "parallel" to that without it, "stops" (it is 0), or "felt" (nothing is promised).
        own_scale: Whether T equal tasks give something else than their plain sum.
        anonymous: Whether the first step does not depend on the tasks' names.
        random: Whether the direction is drawn.
        weighed: Whether the answer is a weight per task.
        non_conflicting: Whether no task is opposed, where that is proved.
        linear: Whether A(diag(c) J) is linear in c > 0.
        strong: Whether A(J) = 0 only if a combination of all rows with weights above 0 vanishes.
        exempt: Why a task that is learned well rules this method; None where the others go on as with the plain sum.
        scale_free: Whether multiplying one task's loss and gradient by a number leaves the direction as it is, up to its length.
        undetermined: Steps on which round-off decides: the method's own problem has several solutions there that give several
            directions, is conditioned so badly that the Gramian does not hold its solution, or is descended in steps that multiply
            round-off.
        residual: How far the weights (T,) of a direction are from what the method's paper defines, given G.
        where: On which steps that is defined: wherever it is "solved", for rows that are all "nonzero", for "independent" unit rows, or
            for rows that are "conditioned" well as they are.
    """

    spelled: str
    degree: float | None = 1.0
    zero_row: str = "parallel"
    own_scale: bool = False
    anonymous: bool = True
    random: bool = False
    weighed: bool = True
    non_conflicting: bool = False
    linear: bool = False
    strong: bool = False
    exempt: Exemption | None = None
    scale_free: bool = False
    undetermined: tuple[str, ...] = ()
    residual: Callable[[np.ndarray, np.ndarray], float] | None = None
    where: str = "solved"

    @property
    def name(self) -> str:
        """The last name of what is written: the balancer without its wrappers."""
        return parse_balancer(self.spelled)[0].rpartition(":")[2]

    def make(self, tasks: Sequence[str] = NAMES) -> Balancer:
        """A fresh one for these tasks."""
        spelled = self.spelled.replace(PREFERRED, preferred(tasks))
        name, options = parse_balancer(spelled)
        return balancer_named(name, options, {task: 0.5 + 0.25 * (int(task[1:]) % 4) for task in tasks})


def nearest_point(G: np.ndarray, w: np.ndarray) -> float:
    """g_t · d ≥ ‖d‖² for all t is necessary and sufficient for the least norm on the simplex: how much is missing, relative to
    what may be rounded."""
    shares = w / len(w)
    products = G @ shares
    gap = (shares @ products - products).max() / G.diagonal().max()
    return float(max(gap, -shares.min(), abs(shares.sum() - 1)))


def bargain(G: np.ndarray, w: np.ndarray) -> float:
    """Nash: w_t (G w)_t = 1 for all t."""
    return float(abs(w * (G @ w) - 1).max())


def potential_delay(G: np.ndarray, w: np.ndarray) -> float:
    """FairGrad with α = 2: √w_t (G w)_t = 1 for all t."""
    return float(abs(np.sqrt(w) * (G @ w) - 1).max())


def same_projections(G: np.ndarray, w: np.ndarray) -> float:
    """IMTL-G: d · g_t / ‖g_t‖ is the same for all t."""
    projections = G @ w / np.sqrt(G.diagonal())
    return float(np.ptp(projections) / max(np.sqrt(w @ G @ w), 1e-300))


def same_cosines(G: np.ndarray, w: np.ndarray) -> float:
    """ConFIG: the same cosine to all, and the length of all projections together."""
    lengths = np.sqrt(G.diagonal())
    cosines = G @ w / lengths / np.sqrt(w @ G @ w)
    return float(max(np.ptp(cosines), abs(np.sqrt(w @ G @ w) - cosines @ lengths) / lengths.sum()))


def projected_sum(G: np.ndarray, w: np.ndarray) -> float:
    """DualProj: v = w − 1 ≥ 0 with G w ≥ 0 and v · G w = 0: the conditions of the nearest point of the cone to the sum."""
    v, products, size = w - 1, G @ w, G.diagonal().max()
    return float(max(-v.min(), -products.min() / size, abs(v @ products) / size / len(w) ** 2))


def made_orthogonal(G: np.ndarray, w: np.ndarray) -> float:
    """Aligned-MTL: along every principal axis of J, d is as long as the plain sum would be if all axes had the length of the shortest."""
    values, vectors = np.linalg.eigh(G)
    return float(abs(vectors.T @ w * np.sqrt(values) - np.sqrt(values[0]) * vectors.sum(0)).max() / np.sqrt(values[-1]))


def preferred(tasks: Sequence[str]) -> str:
    """A preference for each of these tasks."""
    return ", ".join(f"'{task}': {1 + int(task[1:]) % 3}" for task in tasks)


PREFERRED = preferred(NAMES)

LOGARITHMS = "w_t = 1 / L_t, as ∇ log L_t = g_t / L_t: it does not vanish with L_t"
IMPROVABLE_GAPS = "w_t = z_t / L_t with z = T softmax(L / b): z_t stays between 1 / e and e, and g_t / L_t does not vanish with L_t"
SHORTEST_COMBINATION = "w = argmin wᵀ G w over the simplex, d = T Jᵀ w: d is at most T times as long as the shortest gradient"
EQUAL_PROJECTIONS = (
    "d · g_t / ‖g_t‖ equal for all t, with Σ w_t = 1: for orthogonal gradients w_t ∝ 1 / ‖g_t‖, and d is as short as the shortest"
)
WORST_CASE = "d = g₀ + c ‖g₀‖ Jᵀ w / ‖Jᵀ w‖, with w of max min g_t · d: the whole radius c ‖g₀‖ goes along the shortest gradient"
BARGAIN = "w_t g_t · d = 1 for all t: for orthogonal gradients w_t ‖g_t‖ = 1, however short g_t is"
PRINCIPAL_COMPONENTS = "w = √s V Λ^(−½) Vᵀ 1: all principal components get the length √s of the shortest"
EQUAL_COSINES = "cos(d, g_t) equal for all t, however short g_t is"
MAIN_TASK = "d = (‖g_main‖ / ‖δ‖) δ: it is as long as the gradient of the main task, which is the first, the one that is learned well"
LONGEST = "d = Σ (max_s ‖y_s‖ / ‖y_t‖) y_t with y_t the mean of ∇ log L_t: all are scaled to the length of the longest"

ROWS = (
    Row("equal", linear=True, strong=True),
    Row("fixed", linear=True, strong=True, anonymous=False, own_scale=True),
    Row("random", linear=True, strong=True, random=True),
    Row("random(distribution=dirichlet)", linear=True, strong=True, random=True),
    Row("uncertainty", own_scale=True),
    Row("dwa"),
    Row(
        "gls",
        exempt=Exemption("L = (Π L_t)^(1/T), so that w_t = L / (T L_t): all weights fall with every single loss", 0.18, 0.89),
        own_scale=True,
        scale_free=True,
    ),
    Row("imtl-l"),
    Row("scale-invariant", exempt=Exemption(LOGARITHMS, 0.6, 0.94), own_scale=True, scale_free=True),
    Row(
        "stch",
        exempt=Exemption("w_t = 1 / L_t during the warm-up on Σ log L_t, which takes 500 steps", 0.6, 0.94),
        own_scale=True,
        scale_free=True,
    ),
    Row("smooth-tchebycheff", zero_row="felt", own_scale=True, anonymous=False),
    Row(
        "famo",
        exempt=Exemption("w_t = T c z_t / L_t with c = 1 / Σ z_s / L_s: c falls with the smallest loss", 0.18, 0.87),
        scale_free=True,
    ),
    Row("uw-so", exempt=Exemption("w = T softmax((1 / L) / τ): the smallest loss gets all the weight", -1.43, 0.8)),
    Row("igb", exempt=Exemption(IMPROVABLE_GAPS, 0.65, 0.94), own_scale=True, scale_free=True),
    Row("igb(window=1)", exempt=Exemption(IMPROVABLE_GAPS, 0.82), own_scale=True),
    Row("go4align", exempt=Exemption("w_t g_t = p_t Σ L_s ∇ log L_t, which does not vanish with L_t", 0.46, 0.92), zero_row="felt"),
    Row("groupdro"),
    Row("cosmos", zero_row="felt", own_scale=True, anonymous=False),
    Row(
        "pbi",
        exempt=Exemption(
            "w = √T (u + θ (e − d₁ u) / d₂) with θ = 5: below the ray a loss has w_t < 0, and is pushed up towards the others", 0.6, 0.87
        ),
        zero_row="felt",
        own_scale=True,
        anonymous=False,
    ),
    Row("gradnorm"),
    Row("gradnorm(parameters=shared)"),
    Row(
        "mgda",
        exempt=Exemption(SHORTEST_COMBINATION, 0.28, 0.86),
        zero_row="stops",
        non_conflicting=True,
        residual=nearest_point,
    ),
    Row("mgda(drop_zero=true)", exempt=Exemption(SHORTEST_COMBINATION, 0.28)),
    Row("mgda(normalization=l2)", zero_row="stops", undetermined=("rank 2",)),
    Row("mgda(normalization=loss)", zero_row="stops"),
    Row("mgda(normalization=loss+)", zero_row="stops"),
    Row("pcgrad", linear=True, random=True),
    Row("gradvac", random=True),
    Row("gradvac(groups=matrix)", random=True, weighed=False),
    Row("graddrop", random=True, weighed=False),
    Row("graddrop(at=parameters)", random=True, weighed=False),
    Row(
        "imtl-g",
        exempt=Exemption(EQUAL_PROJECTIONS, 0.35, 0.9),
        undetermined=("nearly parallel",),
        residual=same_projections,
        where="independent",
    ),
    Row("imtl", exempt=Exemption(EQUAL_PROJECTIONS, 0.38, 0.9), undetermined=("nearly parallel",)),
    Row(
        "cagrad",
        exempt=Exemption(WORST_CASE, 0.78, 0.91),
        strong=True,
        own_scale=True,
    ),
    Row(
        "cagrad(c=1.5, rescale=0)",
        exempt=Exemption(WORST_CASE, 0.73),
        own_scale=True,
        non_conflicting=True,
    ),
    Row(
        "nash-mtl",
        exempt=Exemption(BARGAIN, 0.73, 0.91),
        degree=0.0,
        own_scale=True,
        non_conflicting=True,
        scale_free=True,
        residual=bargain,
        where="nonzero",
    ),
    Row(
        "fairgrad",
        exempt=Exemption(
            "G w = w^(−1/α) with α = 2: for orthogonal gradients w_t ‖g_t‖ = ‖g_t‖^(−1/3), which grows as g_t vanishes", 0.18, 0.89
        ),
        degree=-1 / 3,
        own_scale=True,
        non_conflicting=True,
        residual=potential_delay,
        where="nonzero",
    ),
    Row(
        "fairgrad(alpha=1)",
        exempt=Exemption(BARGAIN, 0.73),
        degree=0.0,
        own_scale=True,
        non_conflicting=True,
        scale_free=True,
        residual=bargain,
        where="nonzero",
    ),
    Row(
        "aligned-mtl",
        exempt=Exemption(PRINCIPAL_COMPONENTS, 0.34, 0.91),
        residual=made_orthogonal,
        where="conditioned",
    ),
    Row(
        "aligned-mtl(scale_mode=rmse)",
        exempt=Exemption("w = √s V Λ^(−½) Vᵀ 1 with s the mean eigenvalue: all principal components get the same length", 0.73),
        undetermined=("many lengths",),
    ),
    Row(
        "aligned-mtl(scale_mode=median)",
        exempt=Exemption(PRINCIPAL_COMPONENTS, 0.34),
        undetermined=("many lengths",),
    ),
    Row("upgrad", linear=True, strong=True, non_conflicting=True),
    Row("dual-proj", strong=True, non_conflicting=True, residual=projected_sum),
    Row(
        "conflict-free",
        exempt=Exemption(EQUAL_COSINES, 0.76, 0.91),
        undetermined=("nearly parallel",),
        scale_free=True,
        residual=same_cosines,
        where="independent",
    ),
    Row("pcd", exempt=Exemption(MAIN_TASK, 0.13, 0.79), own_scale=True, anonymous=False),
    Row("pcd(tau=0.5)", exempt=Exemption(MAIN_TASK, 0.38), own_scale=True, anonymous=False),
    Row("norm-scaled", strong=True, scale_free=True),
    Row(
        "moco",
        exempt=Exemption(
            "λ ← Π(λ − 2 γ Y Yᵀ λ), d = T Yᵀ λ: λ moves to the shortest y_t, so that d is at most T times as long", 0.79, 0.87
        ),
        degree=None,
        zero_row="felt",
        own_scale=True,
        weighed=False,
    ),
    Row("modo", degree=None),
    Row("sdmgrad", zero_row="felt", undetermined=("opposed", "stationary")),
    Row("sdmgrad(solver=exact)", zero_row="felt"),
    Row("excess-mtl"),
    Row("db-mtl", exempt=Exemption(LONGEST, 0.59, 0.81), own_scale=True, weighed=False, scale_free=True),
    Row("db-mtl(beta=0)", exempt=Exemption(LONGEST, 0.67), own_scale=True, scale_free=True),
    Row(
        "momentum-conflict-free",
        exempt=Exemption("cos(d, m_t) equal for all t, with m_t the running mean of g_t", 0.41, 0.74),
        degree=None,
        zero_row="felt",
        own_scale=True,
        anonymous=False,
        weighed=False,
    ),
    Row("metabalance", anonymous=False, weighed=False),
    Row("auto-lambda", degree=None, own_scale=True),
    Row("moml", zero_row="felt"),
    Row(
        "forum",
        exempt=Exemption(
            "ĝ_t = ∇L_t / ‖∇L_t‖, and d = Σ λ_t ĝ_t + ν q is their shortest combination: every task has the same length", 0.69, 0.91
        ),
        degree=None,
        own_scale=True,
        weighed=False,
    ),
    Row("smooth-weights:cagrad", exempt=Exemption(WORST_CASE, 0.7, 0.92), own_scale=True),
    Row("clip-weights:uncertainty", own_scale=True),
    Row("log:mgda", exempt=Exemption(LOGARITHMS, 0.47, 0.85), zero_row="stops", own_scale=True, scale_free=True),
    Row("log:cagrad", exempt=Exemption(LOGARITHMS, 0.75, 0.92), own_scale=True, scale_free=True),
    Row("log:equal", exempt=Exemption(LOGARITHMS, 0.6, 0.94), own_scale=True, scale_free=True),
    Row("log:pcgrad", exempt=Exemption(LOGARITHMS, 0.77, 0.93), random=True, own_scale=True),
    Row("update-every(steps=2):upgrad", linear=True, strong=True, non_conflicting=True),
    Row(
        f"preference(preference={{{PREFERRED}}}):mgda",
        exempt=Exemption(SHORTEST_COMBINATION, 0.12, 0.79),
        zero_row="stops",
        anonymous=False,
    ),
    Row("per-group(groups=matrix):pcgrad", random=True, weighed=False),
    *(Row(**row) for point in entry_points(group="polytask.battery", name="balancer") for row in point.load()),
)


class Plane:
    """Losses that are planes, seen through a Jacobian: L(θ + v) = L + J v, on every batch."""

    def __init__(self, matrix: Tensor, losses: Tensor) -> None:
        self._matrix, self._losses = matrix, losses

    def losses(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """L + J v."""
        return self._losses if offset is None else self._losses + (self._matrix @ offset).double()

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        """Jᵀ w."""
        return weights.to(self._matrix) @ self._matrix

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """J."""
        return self._matrix


@dataclass(frozen=True)
class Case:
    """A step of known structure.

    Attributes:
        kind: What is known of the rows.
        matrix: (T, P) float64.
        losses: (T,) all above 0.
        scale: What the rows were multiplied with.
    """

    kind: str
    matrix: Tensor
    losses: Tensor
    scale: float = 1.0
    names: tuple[str, ...] = field(default=())

    @property
    def tasks(self) -> int:
        """T."""
        return len(self.matrix)

    @cached_property
    def lengths(self) -> Tensor:
        """(T,) of the rows."""
        return self.matrix.norm(dim=1)

    @cached_property
    def size(self) -> float:
        """Σ ‖g_t‖."""
        return float(self.lengths.sum())

    def meets(self, where: str) -> bool:
        """Whether a residual is defined here."""
        if where == "solved":
            return bool(self.lengths.any())
        if where == "nonzero":
            return bool(self.lengths.all())
        rows = self.matrix / self.lengths[:, None] if where == "independent" and bool(self.lengths.all()) else self.matrix / self.scale
        if self.tasks > rows.shape[1] or not bool(self.lengths.all()):
            return False
        values = torch.linalg.svdvals(rows)
        return float(values[-1]) > 1e-4 * float(values[0])

    @cached_property
    def statistic(self) -> MatrixStatistic:
        """What a balancer sees."""
        size = self.matrix.shape[1]
        names = self.names or NAMES[: self.tasks]
        sizes = (size // 2, size - size // 2) if size > 1 else ()
        return MatrixStatistic(self.matrix, self.losses, names, sizes=sizes, oracle=Plane(self.matrix, self.losses))

    def times(self, factor: float) -> Case:
        """All rows multiplied."""
        return replace(self, matrix=self.matrix * factor, scale=self.scale * factor)


def _kinds(tasks: int, size: int, generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    random = normal(tasks, size)
    yield "random", random
    yield "conflict-free", random.abs()
    yield "orthogonal", torch.linalg.qr(random.T).Q.T * torch.rand(tasks, 1, generator=generator, dtype=torch.float64).add(0.5)
    yield "identical", random[:1].repeat(tasks, 1)
    yield "many lengths", random * torch.logspace(-3, 3, tasks, dtype=torch.float64)[:, None]
    if tasks > 1:
        yield "rank 2", normal(tasks, 2) @ normal(2, size)
        yield "nearly parallel", random[:1] + 1e-3 * random
        yield "zero row", torch.cat([random[:-1], torch.zeros(1, size, dtype=torch.float64)])
        yield "stationary", torch.cat([random[:-1], -random[:-1].mean(0, keepdim=True)])
        yield "opposed", torch.cat([random[:1] * (-1.0) ** number for number in range(tasks)])
        yield "a crowd and one", torch.cat([random[:1] + 0.1 * random[1:], -random[:1] + 0.5 * normal(1, size)])
    yield "all zero", torch.zeros(tasks, size, dtype=torch.float64)


def _cases() -> tuple[Case, ...]:
    generator = torch.Generator().manual_seed(5)
    found = []
    for tasks in (1, 2, 3, 10, 40):
        losses = torch.rand(tasks, generator=generator, dtype=torch.float64) + 0.5
        for kind, matrix in _kinds(tasks, max(tasks + 3, 6), generator):
            found += [Case(kind, matrix * scale, losses, scale) for scale in (1e-12, 1.0, 1e12)]
    return tuple(found)


CASES = _cases()


def one_row_per_balancer() -> tuple[Row, ...]:
    """The first row of every balancer with its wrappers, and one for the balancer that needs an architecture."""
    first: dict[str, Row] = {}
    for row in ROWS:
        first.setdefault(parse_balancer(row.spelled)[0], row)
    equation = "∂L/∂z = C Σ G_t / ‖G_t‖: the gradients of all tasks at the representation are equally long"
    return (*first.values(), Row("rotograd", exempt=Exemption(equation, math.nan, 0.9)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a row runs for every row, and one that asks for the row of a balancer for one of each."""
    for name, rows in (("row", ROWS), ("balancer_row", one_row_per_balancer())):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, rows, ids=[row.spelled.replace(PREFERRED, "…") for row in rows])


@pytest.fixture(scope="session")
def rows() -> tuple[Row, ...]:
    """The table."""
    return ROWS


@pytest.fixture(scope="session")
def least() -> Callable[[Row, float, str], float]:
    """The smallest R² of the hard task that a row may reach, given that of the plain sum and the place: loop or estimator."""

    def bound(row: Row, reference: float, place: str) -> float:
        return reference - BEHIND if row.exempt is None else float(getattr(row.exempt, place)) - SLACK

    return bound


@pytest.fixture(scope="session", params=[3, pytest.param(40, marks=pytest.mark.slow)], ids=lambda most: f"up to {most} tasks")
def cases(request: pytest.FixtureRequest) -> tuple[Case, ...]:
    """Steps of known structure: all, or in the fast run those of few tasks, where every second one is as long or short as can be."""
    if request.param == 40:
        return CASES
    few = [case for case in CASES if case.tasks <= request.param]
    return tuple(case for place, case in enumerate(few) if case.scale == 1.0 or place % 4 < 2)


@pytest.fixture(scope="session")
def case_of_ten() -> Case:
    """A random step of ten tasks: enough for draws of two seeds to differ."""
    return next(case for case in CASES if case.kind == "random" and case.tasks == 10 and case.scale == 1.0)


@pytest.fixture(scope="session")
def plain_cases(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Those of scale 1."""
    return tuple(case for case in cases if case.scale == 1.0)


@pytest.fixture(scope="session")
def steps() -> Callable[..., MatrixStatistic]:
    """Random steps by their number, with any tasks present."""

    def step(number: int, tasks: Sequence[str] = NAMES[:3], scale: float = 1.0) -> MatrixStatistic:
        generator = torch.Generator().manual_seed(number)
        matrix = torch.randn(len(NAMES), 6, generator=generator, dtype=torch.float64)[[int(task[1:]) for task in tasks]]
        losses = torch.rand(len(NAMES), generator=generator, dtype=torch.float64)[[int(task[1:]) for task in tasks]] * scale + 1e-3 * scale
        found = Case("random", matrix * scale, losses, names=tuple(tasks)).statistic
        return replace(found, step=number)

    return step


@pytest.fixture(scope="session")
def given() -> Callable[..., MatrixStatistic]:
    """The step of a matrix, with losses of 1 that are planes, unless they are given."""

    def statistic(matrix: Tensor, names: Sequence[str], losses: Tensor | None = None) -> MatrixStatistic:
        losses = torch.ones(len(matrix), dtype=torch.float64) if losses is None else losses
        return Case("given", matrix, losses, names=tuple(names)).statistic

    return statistic


@pytest.fixture(scope="session")
def asked() -> Callable[[Balancer, MatrixStatistic], Any]:
    """A whole step of a balancer: what it answers, and the direction."""

    def ask(balancer: Balancer, statistic: MatrixStatistic) -> Any:
        needs = balancer.needs()
        only = getattr(needs, "tasks", None)
        seen = statistic
        if only is not None:
            kept = [number for number, name in enumerate(statistic.names) if name in only]
            seen = replace(statistic, matrix=statistic.matrix[kept])
        answer = balancer.weigh(seen)
        direction = answer_to_direction(answer, statistic) if isinstance(answer, Weights) else answer_to_direction(answer, seen)
        balancer.update_state(statistic)
        if balancer.uses_after_step:
            balancer.after_step(statistic.names, statistic.losses, statistic.losses * 0.9)
        return answer, direction

    return ask
