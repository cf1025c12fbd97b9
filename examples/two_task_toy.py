"""Draw where balancing methods go, and where they get stuck, on a problem with two tasks and two parameters.

    python examples/two_task_toy.py [--steps 35000] [--out two_task_toy.png]

The problem of the papers on CAGrad (Liu et al., NeurIPS 2021), Nash-MTL (Navon et al., ICML 2022) and FAMO (Liu et al., NeurIPS
2023). Its Pareto front is the line x₂ = −8.355, −7 ≤ x₁ ≤ 7; one loss is ten times smaller than the other. The plain sum gets
stuck in the valley of the larger one when it starts at (9, 9).

Drawing needs the extra `charts`: pip install 'polytask[charts]'.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import polytask as pt
from polytask.balancing.factory import balancer_named
from polytask.registry.parsing import parse_balancer

STARTS = ((-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0))
# FAMO needs lower bounds of the losses, which are negative here.
METHODS = ("equal", "mgda", "imtl-g", "nash-mtl", "famo(min_losses={first: -2.1, second: -21}, gamma=0)", "cagrad(c=0.4)")
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


def descend(spelled: str, start: tuple[float, float], steps: int, scale: float = 0.1, every: int = 100) -> Tensor:
    """Return the path of a balancer with Adam, (points, 2): the point at every `every`-th step, and the last one."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    name, options = parse_balancer(spelled)
    backward = pt.Backward(balancer_named(name, options), tasks=("first", "second"), shared=[x])
    optimizer = torch.optim.Adam([x], lr=1e-3)
    points = []
    for step in range(steps):
        if step % every == 0:
            points.append(x.detach().clone())
        optimizer.zero_grad()
        if backward.asks_again:  # FAMO needs the losses again after the step
            backward(lambda _: losses_at(x, scale), [None])
        else:
            backward(losses_at(x, scale))
        optimizer.step()
        backward.after_step()
    return torch.stack([*points, x.detach()])


def has_arrived(x: Tensor) -> bool:
    """Return whether a point is on the Pareto front."""
    return abs(float(x[1]) - FRONT) < 0.1 and abs(float(x[0])) <= 7.05


def picture(ways: Mapping[tuple[str, int], Tensor]) -> dict[str, Any]:
    """Return a chart per method: its paths on a map of the average loss."""
    axis = torch.linspace(-10, 10, 51, dtype=torch.float64)
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
            {"data": {"values": cells}, "mark": {"type": "square", "size": 20, "opacity": 0.8}, "encoding": places | {"color": shade}},
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
    parser.add_argument("--steps", type=int, default=35_000)
    parser.add_argument("--out", type=Path, default=Path("two_task_toy.png"))
    chosen = parser.parse_args()
    ways = {}
    for method in METHODS:
        for number, start in enumerate(STARTS):
            ways[method, number] = way = descend(method, start, chosen.steps)
            arrived = "reaches the front" if has_arrived(way[-1]) else "does not arrive"
            print(f"{parse_balancer(method)[0]:10} from {start!s:13} ends at ({way[-1][0]:6.2f}, {way[-1][1]:6.2f}): {arrived}")
    import vl_convert

    chosen.out.write_bytes(vl_convert.vegalite_to_png(picture(ways), scale=2))
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
