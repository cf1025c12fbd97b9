"""Draw where balancing methods go, and where they get stuck, on a problem with two tasks and two parameters.

    python examples/two_task_toy.py [--steps 1000] [--lr 0.035] [--out two_task_toy.png]

The problem of the papers on CAGrad (Liu et al., NeurIPS 2021), Nash-MTL (Navon et al., ICML 2022) and FAMO (Liu et al., NeurIPS
2023). Its Pareto front is the line x₂ = −8.355, −7 ≤ x₁ ≤ 7; one loss is ten times smaller than the other. The plain sum gets
stuck in the valley of the larger one when it starts at (9, 9). The papers take 35,000 steps of Adam of
0.001. 1,000 steps of 0.035 lead as far, if the averages of Adam forget 35 times as fast.

Drawing needs the extra `charts`: pip install 'polytask[charts]'.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, answer_to_direction
from polytask.balancing.factory import balancer_named
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.registry.parsing import parse_balancer

NAMES = ("first", "second")
STARTS = ((-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0))
# FAMO needs lower bounds of the losses, which are negative here.
METHODS = ("equal", "mgda", "imtl-g", "nash-mtl", "famo(min_losses={first: -2.1, second: -21}, gamma=0)", "cagrad(c=0.4)")
PAPERS_LR = 0.001
SMALLEST = 5e-6
FRONT = -8.3552


def losses_at(x: Tensor, scale: float = 0.1) -> dict[str, Tensor]:
    """Return the two losses at points x (..., 2); the first is multiplied by `scale`."""
    a, b = x[..., 0], x[..., 1]
    f1 = (0.5 * (-a - 7) - torch.tanh(-b)).abs().clamp(min=SMALLEST).log() + 6
    f2 = (0.5 * (-a + 3) + torch.tanh(-b) + 2).abs().clamp(min=SMALLEST).log() + 6
    g1 = ((-a + 7) ** 2 + 0.1 * (-b - 8) ** 2) / 10 - 20
    g2 = ((-a - 7) ** 2 + 0.1 * (-b - 8) ** 2) / 10 - 20
    # clamp passes the gradient at 0; a strict comparison would give no gradient at the start (0, 0).
    c1, c2 = torch.tanh(0.5 * b).clamp(min=0), torch.tanh(-0.5 * b).clamp(min=0)
    return {"first": scale * (c1 * f1 + c2 * g1), "second": c1 * f2 + c2 * g2}


def descend_all(steps: int, lr: float, every: int = 10) -> dict[tuple[str, int], Tensor]:
    """Return the paths of all methods from all starts, (points, 2) each: the point at every `every`-th step, and the last one.

    All runs are one batch: the gradients of a step are computed for all of them at once, and Adam moves all of them. Each run has a
    balancer of its own, which turns its Jacobian (2, 2) into a direction.
    """
    runs = [(method, number) for method in METHODS for number in range(len(STARTS))]
    balancers = [balancer_named(*parse_balancer(method)) for method, _ in runs]
    x = torch.tensor([STARTS[number] for _, number in runs], dtype=torch.float64, requires_grad=True)
    times = lr / PAPERS_LR
    optimizer = torch.optim.Adam([x], lr=lr, betas=(0.9**times, 0.999**times))
    points = []
    for step in range(steps):
        if step % every == 0:
            points.append(x.detach().clone())
        losses = losses_at(x)
        jacobians = torch.stack([torch.autograd.grad(loss.sum(), x, retain_graph=True)[0] for loss in losses.values()], dim=1)
        before = torch.stack(list(losses.values()), dim=1).detach()
        x.grad = torch.stack([direction(*one) for one in zip(balancers, jacobians, before, strict=True)])
        optimizer.step()
        after = torch.stack(list(losses_at(x).values()), dim=1).detach()
        for balancer, old, new in zip(balancers, before, after, strict=True):
            if balancer.uses_after_step:  # FAMO needs the losses again after the step
                balancer.after_step(NAMES, old, new)
    paths = torch.stack([*points, x.detach()], dim=1)
    return dict(zip(runs, paths, strict=True))


def direction(balancer: Balancer, jacobian: Tensor, losses: Tensor) -> Tensor:
    """Return the direction of a balancer (2,), and let it update its state."""
    statistic = MatrixStatistic(jacobian, losses, NAMES)
    found = answer_to_direction(balancer.weigh(statistic), statistic)
    balancer.update_state(statistic)
    return found


def has_arrived(x: Tensor) -> bool:
    """Return whether a point is on the Pareto front."""
    return abs(float(x[1]) - FRONT) < 0.1 and abs(float(x[0])) <= 7.05


def picture(ways: Mapping[tuple[str, int], Tensor]) -> dict[str, Any]:
    """Return a chart per method: its paths on a map of the average loss."""
    axis = torch.linspace(-10, 10, 33, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    height = torch.stack(list(losses_at(grid).values())).mean(0)
    cells = [{"a": a, "b": b, "height": h} for (a, b), h in zip(grid.tolist(), height.tolist(), strict=True)]
    places = {"x": {"field": "a", "type": "quantitative", "title": "x₁"}, "y": {"field": "b", "type": "quantitative", "title": "x₂"}}
    charts = []
    for method in dict.fromkeys(method for method, _ in ways):
        own = {start: way for (name, start), way in ways.items() if name == method}
        points = [
            {"a": a, "b": b, "start": start, "order": order} for start, way in own.items() for order, (a, b) in enumerate(way.tolist())
        ]
        ends = [{"a": float(way[-1][0]), "b": float(way[-1][1]), "arrived": has_arrived(way[-1])} for way in own.values()]
        shade = {"field": "height", "type": "quantitative", "legend": None, "scale": {"scheme": "greys", "reverse": True}}
        line = {"field": "start", "type": "nominal", "legend": None}
        goal = {"field": "arrived", "type": "nominal", "legend": None, "scale": {"domain": [True, False], "range": ["#1a7f37", "#cf222e"]}}
        layers = [
            {"data": {"values": cells}, "mark": {"type": "square", "size": 52, "opacity": 0.8}, "encoding": places | {"color": shade}},
            {
                "data": {"values": points},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": places | {"color": line, "order": {"field": "order", "type": "quantitative"}},
            },
            {"data": {"values": ends}, "mark": {"type": "point", "filled": True, "size": 110}, "encoding": places | {"color": goal}},
        ]
        scales = {"resolve": {"scale": {"color": "independent"}}}
        charts.append({"title": parse_balancer(method)[0], "width": 220, "height": 220, "layer": layers, **scales})
    return {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "columns": 3, "concat": charts}


def main() -> None:
    """Run all methods from all starts, print where they end, and draw their paths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--lr", type=float, default=0.035)
    parser.add_argument("--scale", type=float, default=1.5, help="pixels of the picture per unit")
    parser.add_argument("--out", type=Path, default=Path("two_task_toy.png"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)  # the matrices are 2 by 2
    ways = descend_all(chosen.steps, chosen.lr)
    for (method, number), way in ways.items():
        arrived = "reaches the front" if has_arrived(way[-1]) else "does not arrive"
        print(f"{parse_balancer(method)[0]:10} from {STARTS[number]!s:13} ends at ({way[-1][0]:6.2f}, {way[-1][1]:6.2f}): {arrived}")
    for method in METHODS:
        reached = sum(has_arrived(way[-1]) for (name, _), way in ways.items() if name == method)
        print(f"{parse_balancer(method)[0]:10} reaches the front from {reached} of {len(STARTS)} starts")
    import vl_convert

    chosen.out.write_bytes(vl_convert.vegalite_to_png(picture(ways), scale=chosen.scale))
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
