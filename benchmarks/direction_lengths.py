"""Compare the lengths of the directions of all balancers with that of the plain sum: ‖d‖ / ‖Σ g_t‖ in their first step.

    python benchmarks/direction_lengths.py [--write]

Three cases: three identical gradients, three random ones, and ten random ones, of 1,000 normal numbers each; all losses are 1, and figures
are medians of 21 draws. `--write` puts the table into `docs/balancers.md`.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from markdown_tables import put, row
from polytask.balancing import CrossGramian, Jacobian, Lookahead
from polytask.balancing.balancer import answer_to_direction
from polytask.balancing.factory import balancer_named
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.registry import names

ELSEWHERE = ("rotograd", "torchjd", "momentum-conflict-free")
"""They need an architecture of their own, another library, and one step for each task before the first direction."""
FURTHER = ("cagrad(rescale=0)", "cagrad(rescale=2)", "fairgrad(alpha=1)", "db-mtl(beta=0)", "log:mgda")
DRAWS, SIZE = 21, 1000
PAGE = Path(__file__).parents[1] / "docs" / "balancers.md"


def gradients(case: str, draw: int) -> Tensor:
    """Return the gradients (T, P) of a case."""
    random = torch.Generator().manual_seed(draw)
    rows = torch.randn(10 if case == "ten random" else 3, SIZE, generator=random, dtype=torch.float64)
    return rows[:1].repeat(3, 1) if case == "identical" else rows


def ratio(spelled: str, rows: Tensor) -> float:
    """Return ‖d‖ / ‖Σ g_t‖ in the first step of a new balancer."""
    tasks = tuple(str(number) for number in range(len(rows)))
    balancer = balancer_named(spelled, task_weights=dict.fromkeys(tasks, 1.0))
    statistic = MatrixStatistic(rows, torch.ones(len(rows), dtype=torch.float64), tasks)
    needs = balancer.needs()
    if isinstance(needs, Jacobian) and needs.tasks is not None:
        kept = [number for number, task in enumerate(tasks) if task in needs.tasks]
        direction = answer_to_direction(balancer.weigh(MatrixStatistic(rows[kept], statistic.losses, tasks)), statistic)
    else:
        direction = answer_to_direction(balancer.weigh(statistic), statistic)
    return float(direction.norm() / rows.sum(0).norm())


def compared() -> Iterable[str]:
    """Return the balancers that answer from one Jacobian, as users write them."""
    for name in names("balancer"):
        if name in ELSEWHERE:
            continue
        made = balancer_named(name, task_weights={"0": 1.0, "1": 1.0})
        if not isinstance(made.needs(), CrossGramian | Lookahead):
            yield name
    yield from FURTHER


def table() -> str:
    """Return the table in Markdown."""
    cases = ("identical", "random", "ten random")
    lines = [row(("balancer", *(f"{'three ' if case != 'ten random' else ''}{case}" for case in cases))), row(("---", "--:", "--:", "--:"))]
    for spelled in sorted(compared()):
        found = [statistics.median(ratio(spelled, gradients(case, draw)) for draw in range(DRAWS)) for case in cases]
        lines.append(row((f"`{spelled}`", *(f"{value:.3g}" for value in found))))
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write it into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table into docs/balancers.md")
    text = table()
    if parser.parse_args().write:
        put("direction lengths", text, PAGE)
    print(text)


if __name__ == "__main__":
    main()
