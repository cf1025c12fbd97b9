"""Measure what relatedness costs, whether seeds agree on it, and whether planted groups are found.

    POLYTASK_DATA=… python benchmarks/relatedness_reliability.py [--seeds 6] [--runs 20] [--problems wq …] [--layouts 3+3 …] [--write]

**Cost and agreement.** On real problems with three tasks or more, and on planted ones, joint networks are trained with several seeds, each
with its own initialization, validation rows and batches, and measured with the defaults of `polytask relate`. The cost is the time of both
measures divided by the training time of the same networks without them. Agreement is Spearman's rank correlation of two seeds'
matrices, off the diagonal, averaged over all pairs of seeds.

**Planted groups.** Tasks of one group are mixtures of the same two features tanh(2 u x) of 20 inputs; groups have features of their own, at
right angles; noise has a standard deviation of 0.3. Every run draws the mixtures and 1,000 rows, and measures with three seeds; the number
of networks is given. A run has found the groups if its networks are exactly the planted groups.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark_problems import problem
from markdown_tables import put, row
from polytask.data import Source
from polytask.relatedness.relatedness_matrix import RelatednessMatrix
from polytask.storage import read_json
from polytask.studies.affinity.affinity_results import propose_grouping
from polytask.studies.affinity.relate_tasks import RelateResult, relate_tasks
from polytask.tasks import Regression, Task

PAGE = Path(__file__).parents[1] / "docs" / "relatedness.md"
PROBLEMS = ("jura", "scpf", "401ksubs", "wq")
LAYOUTS = ("2+2+2", "3+3", "2+2+2+2", "3+3+3", "4+4+4", "3+3+3+3")
MEASURES = ("lookahead", "cosine")
INPUTS, ROWS, NOISE, FEATURES = 20, 1_000, 0.3, 2
TRAINING = {"epochs": 20, "batch_size": 32, "lr": 0.001}
SEEDS_OF_A_RUN = 3


class Planted(NamedTuple):
    """Tasks whose true groups are known."""

    source: Source
    tasks: tuple[Task, ...]
    groups: frozenset[frozenset[str]]


def planted(layout: str, seed: int) -> Planted:
    """Return a problem with groups of the sizes in the layout, such as 3+3; the seed draws its mixtures and rows."""
    sizes = [int(size) for size in layout.split("+")]
    names = [f"{letter}{number}" for letter, size in zip("ABCDEF", sizes, strict=False) for number in range(size)]
    random = np.random.default_rng(seed)
    directions = np.linalg.qr(random.normal(size=(INPUTS, INPUTS)))[0][:, : FEATURES * len(sizes)]
    x = random.normal(size=(ROWS, INPUTS)).astype(np.float32)
    features = np.tanh(2 * x @ directions).reshape(ROWS, len(sizes), FEATURES)
    own = np.repeat(np.arange(len(sizes)), sizes)
    mixtures = random.dirichlet(np.full(FEATURES, 5.0), size=len(names))
    clean = np.einsum("rtf,tf->rt", features[:, own], mixtures)
    labels = clean / clean.std(axis=0) + NOISE * random.normal(size=clean.shape)
    bounds = np.cumsum([0, *sizes])
    groups = frozenset(frozenset(names[first:last]) for first, last in pairwise(bounds))
    return Planted(Source("rows", x, dict(zip(names, labels.T, strict=True))), tuple(Regression(name=name) for name in names), groups)


class Cost(NamedTuple):
    """Cost of both measures relative to joint training, and agreement of the seeds, for one problem."""

    name: str
    tasks: int
    share: float
    agreements: dict[str, float]


def costs(problems: Sequence[str], seeds: int) -> Iterator[Cost]:
    """Yield the cost of each problem."""
    for name in problems:
        posed = problem(name)
        yield cost(name, posed.sources, posed.tasks, seeds, {key: posed.choices[key] for key in ("hidden", "training")})
    for layout in ("3+3+3", "4+4+4"):
        made = planted(layout, seed=0)
        yield cost(f"planted {layout}", [made.source], made.tasks, seeds, {"hidden": (64,), "training": TRAINING})


def cost(name: str, sources: Sequence[Source], tasks: Sequence[Task], seeds: int, choices: Mapping[str, Any]) -> Cost:
    """Measure one problem with `seeds` seeds, in one process."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        related = relate_tasks(sources, tasks, out=folder, seeds=seeds, workers=1, **choices)
        measured = read_json(Path(folder) / "cost.json")
    found = Cost(name, len(tasks), measured["share_of_joint_training"], {own: related.relations[own].agreement or 0.0 for own in MEASURES})
    print(f"  {name}: {time.monotonic() - started:,.0f} s", flush=True)
    return found


def cost_table(found: Sequence[Cost]) -> str:
    """Return a table with a line per problem."""
    lines = [row(["problem", "tasks", "time added", "seeds agree: look-ahead", "seeds agree: cosine"]), row(["---"] * 5)]
    for one in found:
        agreements = [f"{one.agreements[own]:.2f}" for own in MEASURES]
        lines.append(row([one.name, one.tasks, f"{100 * one.share:.0f} %", *agreements]))
    return "\n".join(lines)


def recovered(layout: str, runs: int) -> dict[str, float]:
    """Return, per measure, the share of runs that find the planted groups."""
    started = time.monotonic()
    hits = dict.fromkeys(MEASURES, 0)
    for run in range(runs):
        made = planted(layout, seed=run)
        seeds = tuple(range(SEEDS_OF_A_RUN * run, SEEDS_OF_A_RUN * (run + 1)))
        related = relate_tasks([made.source], made.tasks, seeds=seeds, workers=1, hidden=(64,), training=TRAINING)
        for own in MEASURES:
            hits[own] += groups_by(own, related, len(made.groups)) == made.groups
    print(f"  {layout}: {time.monotonic() - started:,.0f} s", flush=True)
    return {own: number / runs for own, number in hits.items()}


def groups_by(measure: str, related: RelateResult, most: int) -> frozenset[frozenset[str]]:
    """Return the groups proposed from this measure alone."""
    alone: dict[str, RelatednessMatrix] = {measure: related.relations[measure]}
    _, grouping = propose_grouping(alone, most)
    return frozenset(map(frozenset, grouping.groups)) if grouping is not None else frozenset()


def recovered_table(found: dict[str, dict[str, float]], runs: int) -> str:
    """Return a table with a line per layout."""
    lines = [row(["groups", "tasks", f"found by look-ahead, of {runs} runs", "found by cosines"]), row(["---"] * 4)]
    for layout, shares in found.items():
        tasks = sum(map(int, layout.split("+")))
        lines.append(row([layout, tasks, *(f"{100 * shares[own]:.0f} %" for own in MEASURES)]))
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--layouts", nargs="*", default=list(LAYOUTS))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--runs", type=int, default=20, help="runs per layout of planted groups")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/relatedness.md")
    return parser.parse_args()


def main() -> None:
    """Run the benchmark, print the tables, and write them with `--write`."""
    given = arguments()
    tables = {"cost": cost_table(list(costs(given.problems, given.seeds)))}
    tables["planted"] = recovered_table({layout: recovered(layout, given.runs) for layout in given.layouts}, given.runs)
    for name, table in tables.items():
        print(f"\n{table}")
        if given.write:
            put(name, table, PAGE)


if __name__ == "__main__":
    main()
