"""Draw the figures of the tutorial.

    python tools/tutorial_figures.py [--out docs/tutorial/figures]

Diagrams of sharing are drawn from the networks themselves. The picture of a conflict has the gradients of two tasks and the directions that
methods compute from them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import polytask as pt
from polytask.tasks import Multiclass

ARCHITECTURES = {"hard": "hard", "cross-stitch": "cross-stitch", "mmoe": "mmoe(experts=3)", "adapters": "adapters"}
CONFLICT = ((1.0, 0.25), (-2.2, 2.0))
"""Gradients of two tasks: the second is longer, and the angle between them obtuse."""
METHODS = {"plain sum": "equal", "MGDA": "mgda", "CAGrad": "cagrad", "PCGrad and UPGrad": "upgrad"}
COLORS = ("#d55e00", "#cc79a7", "#009e73", "#0072b2")
WIDTH, HEIGHT, UNIT, LEFT, TOP = 640, 400, 100, 330, 330


def sharing(architecture: str) -> str:
    """Draw who shares what in a small network for two tasks."""
    tasks = (Multiclass(name="digit", classes=tuple(range(10))), Multiclass(name="garment", classes=tuple(range(10))))
    model = pt.MultiTaskModel(pt.encoders.MLP((784,), hidden=(64, 32)), tasks, architecture=architecture, hidden=())
    drawn: str = pt.architectures.draw_sharing(pt.architectures.network_parts(model))
    return drawn


def directions() -> dict[str, tuple[float, float]]:
    """Return what each method makes of the two gradients."""
    J = torch.tensor(CONFLICT)
    found = {name: pt.balancing.balancer_named(spelled).aggregate(J) for name, spelled in METHODS.items()}
    return {name: (float(d[0]), float(d[1])) for name, d in found.items()}


def arrow(vector: tuple[float, float], color: str, label: str, width: float = 2.5) -> str:
    """Draw a vector from the origin, with its label at the tip."""
    x, y = LEFT + UNIT * vector[0], TOP - UNIT * vector[1]
    dx, dy = x - LEFT, y - TOP
    length = max((dx**2 + dy**2) ** 0.5, 1.0)
    ux, uy = dx / length, dy / length
    tip = f"{x:.1f},{y:.1f} {x - 10 * ux + 4 * uy:.1f},{y - 10 * uy - 4 * ux:.1f} {x - 10 * ux - 4 * uy:.1f},{y - 10 * uy + 4 * ux:.1f}"
    return (
        f'<path d="M{LEFT},{TOP} L{x - 8 * ux:.1f},{y - 8 * uy:.1f}" stroke="{color}" stroke-width="{width}" fill="none"/>'
        f'<polygon points="{tip}" fill="{color}"/>'
        f'<text x="{x + 8 * ux - (4 if ux < 0 else -4):.1f}" y="{y + 8 * uy:.1f}" fill="{color}" '
        f'text-anchor="{"end" if ux < -0.05 else "start"}">{label}</text>'
    )


def half_plane(gradient: tuple[float, float], color: str) -> str:
    """Shade the directions whose opposite step raises the loss of a task: those with a negative inner product."""
    gx, gy = gradient
    px, py = -gy, gx
    corners = [(50 * px, 50 * py), (-50 * px, -50 * py), (-50 * px - 50 * gx, -50 * py - 50 * gy), (50 * px - 50 * gx, 50 * py - 50 * gy)]
    points = " ".join(f"{LEFT + UNIT * x:.0f},{TOP - UNIT * y:.0f}" for x, y in corners)
    return f'<polygon points="{points}" fill="{color}" fill-opacity="0.10"/>'


def conflict() -> str:
    """Draw the gradients, the half-planes that hurt a task, and the methods' directions."""
    first, second = CONFLICT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="14">',
        "<title>Two conflicting gradients and the directions of methods</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        half_plane(first, "#24292f"),
        half_plane(second, "#24292f"),
        arrow(first, "#24292f", "gradient of a", 3.5),
        arrow(second, "#24292f", "gradient of b", 3.5),
        *(arrow(d, color, name) for (name, d), color in zip(directions().items(), COLORS, strict=True)),
        f'<text x="12" y="{HEIGHT - 12}" fill="#57606a">shaded: a step against such a direction raises the loss of a or of b</text>',
        "</svg>",
    ]
    return "\n".join(lines)


def main() -> None:
    """Draw all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "tutorial" / "figures")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, architecture in ARCHITECTURES.items():
        (folder / f"{name}.svg").write_text(f"{sharing(architecture)}\n", encoding="utf-8")
    (folder / "conflict.svg").write_text(f"{conflict()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
