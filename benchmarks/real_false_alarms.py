"""Count false alarms of the verdict on real networks, in studies whose two arms are trained in the same way.

    POLYTASK_DATA=… python benchmarks/real_false_alarms.py [--out runs/false-alarms] [--data wq mnist-fashion census] [--write]

**The pool.** Per data set 640 small joint networks, in 320 pairs. The two networks of a pair have the same training and validation rows,
as the arms of a study have at each seed; everything else that is random (initialization, order of batches) differs. So both are equally
good on average over seeds, whatever the rows, and the difference of a pair has the spread of an arm that changes nothing. Other pairs have
other validation rows. The rows for training and validation together, and the test rows, are fixed.

**A study** takes S pairs; a coin decides for each pair which network is `single` and which is the disguised arm. No network is used twice
in a study. Studies of a round have no network in common either: the pairs are shuffled and cut into as many studies as possible, and then
shuffled again, with new coins. `pt.verdict` judges the predictions like any others, and a study with helps or hurts for any task is a false
alarm.

**Limitations.** Studies of different rounds share networks, also those with 5 seeds and those with 10, and all studies of a data set share
its test rows. They are not independent, so the count varies more than a binomial one, and its limit is only a guide.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

import polytask as pt
from markdown_tables import put, row, share
from network_pools import pool, predicted
from polytask.architectures import NetworkPlan
from polytask.data import Source, train_validation_split
from polytask.datasets import get_dataset
from polytask.seeds import derive_seed
from polytask.tasks import Regression, Task
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL

Array = NDArray[Any]

PAIRS, STUDIES, PLANS = 320, 100, ((5,), (10,), (5, 8, 12, 20))
ARMS = ("single", "disguised")
FEW_FALSE_ALARMS = 0.97
"""Probability that a procedure with a rate of 5 % stays within the limit, if studies are independent."""


@dataclass(frozen=True)
class Problem:
    """A data set, and the small network that is trained on it.

    Attributes:
        training: Sources whose rows all networks use, for training or for validation.
        test: Test sources, with the same number of rows for every task.
        tasks: Tasks of each network.
        plan: Plan of the network.
        metrics: Metric of the verdict, per task.
        options: Training options.
    """

    training: tuple[Source, ...]
    test: tuple[Source, ...]
    tasks: tuple[Task, ...]
    plan: NetworkPlan
    metrics: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def targets(self) -> dict[str, Array]:
        """Codes or values (n,) of the test rows, per task."""
        return {task.name: task.fitted(labels).metric_targets(labels) for task in self.tasks for labels in [self._labels(task.name)]}

    def _labels(self, task: str) -> Array:
        (labels,) = (source.labels[task] for source in self.test if task in source.labels)
        return labels

    def of_pair(self, pair: int) -> Problem:
        """Return the problem with the validation rows of a pair."""
        training = tuple(_held_out(source, derive_seed(0, "validation", source.name, pair)) for source in self.training)
        return replace(self, training=training)


def _held_out(source: Source, seed: int) -> Source:
    _, validation = train_validation_split(source, 0.2, seed)
    return replace(source, held_out=np.isin(source.units, validation.units))


def water() -> Problem:
    """Return `wq` of the Mulan collection: abundance of 14 species in rivers from 16 measurements; 700 training and 360 test rows."""
    table = pd.read_csv(Path(os.environ.get("POLYTASK_DATA", "data")) / "multi-target" / "wq.csv")
    inputs, species = table.iloc[:, :-14].to_numpy("float32"), table.iloc[:, -14:].astype(float)
    whole = Source("rivers", inputs, {str(name): species[name].to_numpy() for name in species})
    order = np.random.default_rng(0).permutation(len(table))
    tasks = tuple(Regression(name=str(name)) for name in species)
    options = {"epochs": 20, "batch_size": 64, "lr": 3e-3}
    plan, metrics = NetworkPlan("mlp", (16,), {"hidden": (64,)}), {task.name: "rmse" for task in tasks}
    return Problem((whole.take(order[:700]),), (whole.take(order[700:]),), tasks, plan, metrics, options)


def images() -> Problem:
    """Return the sample of `mnist-fashion`: digits and garments, 2,000 training and 4,000 test images of each, as vectors."""
    data = get_dataset("mnist-fashion", "sample")

    def flat(source: Source) -> Source:
        return replace(source, inputs=source.inputs.reshape(len(source), -1).astype("float32") / 255)

    plan, metrics = NetworkPlan("mlp", (784,), {"hidden": (64,)}), {task.name: "accuracy" for task in data.tasks()}
    options = {"epochs": 8, "batch_size": 128, "lr": 2e-3}
    return Problem(tuple(map(flat, data.training())), tuple(map(flat, data.test())), data.tasks(), plan, metrics, options)


def people() -> Problem:
    """Return `census-income`: income and marriage from 39 columns; 8,000 training and 10,000 test rows."""
    data = get_dataset("census-income", "full")
    (training,), (test,) = data.training(), data.test()
    drawn = [source.take(np.random.default_rng(0).permutation(len(source))[:rows]) for source, rows in ((training, 8_000), (test, 10_000))]
    facts = {} if training.preprocessor is None else training.preprocessor.input_spec()
    plan = NetworkPlan("tabular", training.inputs.shape[1:], {"hidden": (32,), "embedding": 4}, facts=facts)
    metrics = {task.name: "auc" for task in data.tasks()}
    return Problem((drawn[0],), (drawn[1],), data.tasks(), plan, metrics, {"epochs": 4, "batch_size": 256, "lr": 5e-3})


PROBLEMS: Mapping[str, Callable[[], Problem]] = {"wq": water, "mnist-fashion": images, "census": people}


def network(problem: Problem, name: str) -> Array:
    """Return the predictions (tasks, n) of the network `pair-member`: values, class codes, or probabilities of class 1."""
    pair, member = map(int, name.split("-"))
    own = problem.of_pair(pair)
    found = predicted(own.plan, own.tasks, (own.training, own.test), own.options, seed=derive_seed(0, "network", pair, member))
    rows = []
    for task in own.tasks:
        outcome = found[task.name]
        of_class_1 = problem.metrics[task.name] == "auc" and outcome.probabilities is not None
        rows.append(outcome.probabilities[:, 1] if of_class_1 and outcome.probabilities is not None else outcome.predictions)
    return np.stack(rows).astype(np.float32)


def studies(pairs: int, seeds: int, generator: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Yield studies without end: S pairs, and for each pair which of its networks is the disguised arm."""
    while True:
        for chosen in generator.permutation(pairs)[: pairs // seeds * seeds].reshape(-1, seeds):
            yield chosen, generator.integers(2, size=seeds)


def frame(problem: Problem, networks: Sequence[Array], study: tuple[Array, Array]) -> pd.DataFrame:
    """Return the predictions of a study as a frame for `pt.verdict`."""
    targets, parts = problem.targets, []
    for seed, (pair, coin) in enumerate(zip(*study, strict=True)):
        for arm, member in zip(ARMS, (1 - coin, coin), strict=True):
            for (task, truth), values in zip(targets.items(), networks[2 * pair + member], strict=True):
                columns = {"arm": arm, "seed": seed, "task": task, "unit": np.arange(len(truth)), "target": truth, "prediction": values}
                if problem.metrics[task] == "auc":
                    columns |= {"prediction": (values > 0.5).astype(int), "probability": np.where(truth == 1, values, 1 - values)}
                parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def words(problem: Problem, networks: Sequence[Array], study: tuple[Array, Array], looks: Sequence[int] | None = None) -> list[str]:
    """Return the verdict on every task, and on their mean; words of earlier looks stay."""
    kinds = {task.name: task.kind for task in problem.tasks}
    found = pt.verdict(frame(problem, networks, study), kinds=kinds, metrics=dict(problem.metrics), looks=looks)
    pooled = found.arms[ARMS[1]].pooled
    return [task.arms[ARMS[1]].claim for task in found.tasks.values()] + ([] if pooled is None else [pooled.claim])


def judged(name: str, folder: Path, pairs: int, number: int) -> Iterator[tuple[int, list[list[str]], str]]:
    """Yield, per plan, its number of seeds, the verdicts of every study and the line of the table."""
    problem = PROBLEMS[name]()
    names = [f"{pair}-{member}" for pair in range(pairs) for member in (0, 1)]
    networks = [np.asarray(array) for array in pool(folder / name, names, partial(network, problem))]
    metrics, rows = ", ".join(sorted(set(problem.metrics.values()))), len(next(iter(problem.targets.values())))
    for looks in PLANS:
        seeds = looks[-1]
        drawn = islice(studies(pairs, seeds, np.random.default_rng(derive_seed(0, name, seeds))), number)
        said = [words(problem, networks, study, looks) for study in drawn]
        cells = [name, len(problem.tasks), metrics, f"{rows:,}", len(names), ", ".join(map(str, looks))]
        yield seeds, said, row([*cells, *shares(said)])


def alarms(said: Sequence[Sequence[str]]) -> int:
    """Count the studies with helps or hurts for any task."""
    return sum(any(word in ("helps", "hurts") for word in study) for study in said)


def shares(said: Sequence[Sequence[str]]) -> list[str]:
    """Return cells: number of studies, false alarms, and the shares of `same` and `unclear` among all verdicts."""
    counts = Counter(word for study in said for word in study)
    total = sum(counts.values())
    return [str(len(said)), str(alarms(said)), *(share(counts[word] / total, 2) for word in ("same", "unclear"))]


def main() -> None:
    """Train missing networks, judge the studies, print the table, and write it with `--write`."""
    parser = argparse.ArgumentParser(description="False alarms of the verdict on real networks")
    parser.add_argument("--out", type=Path, default=Path("runs/false-alarms"), help="folder for the predictions")
    parser.add_argument("--data", nargs="*", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--studies", type=int, default=STUDIES, help="studies per data set and number of seeds")
    parser.add_argument("--write", action="store_true", help="write the table to docs/verdict.md")
    options = parser.parse_args()
    started, everything = time.monotonic(), list[list[str]]()
    lines = [row(["data", "tasks", "metric", "test rows", "networks", "seeds", "studies", "false alarms", "same", "unclear"])]
    lines.append("|---" * 10 + "|")
    print("\n".join(lines), flush=True)
    for name in options.data:
        for _, said, line in judged(name, options.out, options.pairs, options.studies):
            everything += said
            lines.append(line)
            print(line, flush=True)
    limit = int(stats.binom.ppf(FEW_FALSE_ALARMS, len(everything), FAMILYWISE_LEVEL)) - 1
    total = f"{alarms(everything)} of {len(everything)} studies with any helps or hurts; the limit is {limit}."
    print(f"\n{total} {time.monotonic() - started:,.0f} s")
    if options.write:
        put("false-alarms", "\n".join([total, "", *lines]))


if __name__ == "__main__":
    main()
