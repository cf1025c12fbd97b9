"""Which tasks share which parts of a network, as a list and as a diagram."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from polytask.architectures.network.network import Network, NetworkPart

ROW, GAP, BOX, BETWEEN, TASK = 30, 10, 240, 170, 150
INK, FAINT, SHARED, PRIVATE = "#24292f", "#57606a", "#0072b2", "#9aa4ae"


def network_parts(model: Network) -> tuple[NetworkPart, ...]:
    """Return the largest parts of a network whose parameters are all reached by the same tasks, in network order.

    Example:
        >>> from polytask.architectures import MultiTaskModel
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Binary
        >>> model = MultiTaskModel(MLP((4,), hidden=(8,)), (Binary(name="a"), Binary(name="b")), hidden=())
        >>> [(part.name, part.tasks, part.parameters) for part in network_parts(model)]
        [('encoder', ('a', 'b'), 40), ('head of a', ('a',), 9), ('head of b', ('b',), 9)]
    """
    return model.parts()


def draw_sharing(parts: Sequence[NetworkPart]) -> str:
    """Draw parts on the left, tasks on the right, and a line from each part to each task that reaches it, as SVG.

    Example:
        >>> draw_sharing([NetworkPart("trunk", ("a", "b"), 40)]).startswith("<svg")
        True
    """
    tasks = list(dict.fromkeys(task for part in parts for task in part.tasks))
    height = max(len(parts), len(tasks)) * (ROW + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{BOX + BETWEEN + TASK + 2 * GAP}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12">'
    ]
    middles = {task: _middle(number, len(tasks), height) for number, task in enumerate(tasks)}
    for number, part in enumerate(parts):
        y, color = _middle(number, len(parts), height), SHARED if len(part.tasks) > 1 else PRIVATE
        for task in part.tasks:
            x, end = GAP + BOX, GAP + BOX + BETWEEN
            curve = f"M{x},{y:.0f} C{x + 70},{y:.0f} {end - 70},{middles[task]:.0f} {end},{middles[task]:.0f}"
            lines.append(f'<path d="{curve}" fill="none" stroke="{color}" stroke-opacity="0.6"/>')
        lines.append(_box(GAP, y, BOX, part.name, f"{part.parameters:,}", color))
    lines += [_box(GAP + BOX + BETWEEN, y, TASK, task, "", INK) for task, y in middles.items()]
    return "\n".join([*lines, "</svg>"])


def _middle(number: int, count: int, height: int) -> float:
    """Return the vertical center of box `number` if `count` boxes share the height."""
    return height * (number + 0.5) / count


def _box(x: int, y: float, width: int, name: str, note: str, color: str) -> str:
    top = y - ROW / 2
    short = name if len(name) <= 26 else f"{name[:25]}…"
    return (
        f'<rect x="{x}" y="{top:.0f}" width="{width}" height="{ROW}" rx="5" fill="#ffffff" stroke="{color}"/>'
        f'<text x="{x + 8}" y="{y + 4:.0f}" fill="{INK}">{escape(short)}</text>'
        f'<text x="{x + width - 8}" y="{y + 4:.0f}" fill="{FAINT}" text-anchor="end">{escape(note)}</text>'
    )
