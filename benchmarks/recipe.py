"""Compare the training recipe with the former one: quality, noise over seeds, noise of paired differences, and processor seconds.

    POLYTASK_DATA=… python benchmarks/recipe.py [--data mnist-fashion enb …] [--seeds 8] [--out runs/recipe] [--write]
                                                [--recipes former averaged now]
    python benchmarks/recipe.py --cost

Every seed trains one network for all tasks (plain sum) and one network per task, with one split, one initialization and the same rows per
source and step, and tests them on the test rows and the fresh rows of the problem. Recipes:

* `former`: the weights themselves; the best epoch on validation rows, with a patience of a tenth of the epochs, at least 5.
* `averaged`: the same with averaged weights.
* `now`: what ships: averaged weights; tables stop on the averaged curve, with a patience of 5 epochs or a quarter of those so far; data
  sets with a plan (`mnist-fashion`) train for a fixed number of epochs and keep the last one.

Power is the variance of the paired difference times processor seconds, of the former recipe over that of the row: how much narrower an
interval becomes in the same seconds, squared. For more than three tasks all figures are percent of the former single-task mean, averaged
over the tasks. Networks that are trained are kept in the folder, so that an interrupted run resumes. `--cost` measures what averaging adds
to a step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark_problems import PROBLEMS, Problem, problem
from markdown_tables import put, row
from network_pools import Array, pool
from polytask import MultiTaskModel, Source, datasets
from polytask.data import Sources, proportional_batch_sizes
from polytask.metrics.metric_functions import compute_metrics, metric_of
from polytask.options import make_training_options
from polytask.studies.setup.resolve_config import network_plan
from polytask.training import fit, prepare_source
from polytask.training.fit_model import build_loop
from polytask.training.inference import predict_outcomes
from polytask.training.loop.micro_batches import StepBatches
from polytask.training.loop.training_loop import TrainingLoop

FORMER: Mapping[str, Any] = {"averaging": None, "patience_share": 0.0, "keep": "best"}
RECIPES = ("former", "averaged", "now")
FEW_TASKS = 3
PAGE = Path(__file__).parents[1] / "docs" / "studies.md"


def find_problem(name: str) -> Problem:
    """Return a problem of `benchmark_problems`, or ATIS."""
    if name != "atis":
        return problem(name)
    sources, tasks = datasets.load_dataset("atis", "full")
    return Problem("atis", Sources(tuple(sources), sources.open_test), tasks, (), {"encoder": "text"})


def training_options(chosen: Problem, recipe: str) -> dict[str, Any]:
    """Return the training options of a recipe for a problem."""
    own = chosen.config().training.model_dump(include={"epochs", "batch_size"})
    if recipe == "now":
        plan = datasets.get_dataset(chosen.name).plan if chosen.name in datasets_with_plans() else {}
        return {**own, **plan}
    patience = max(5, own["epochs"] // 10)
    return {**own, **FORMER, "patience": patience, **({"averaging": 3.0} if recipe == "averaged" else {})}


def datasets_with_plans() -> tuple[str, ...]:
    """Return the names of the problems that are built-in data sets."""
    return ("mnist-fashion", "multi-fashion-mnist", "atis")


def test_rows(chosen: Problem) -> list[Source]:
    """Return the test rows and the fresh rows of a problem; preprocessing is that of the training rows in both."""
    opened = () if chosen.sources.open_test is None else chosen.sources.open_test()
    return [*opened, *chosen.fresh]


def figures(chosen: Problem, recipe: str, seed: int) -> Array:
    """Return, per task, the metric of the single-task network and of the joint one; and in the last row the processor seconds of both."""
    options, rows = training_options(chosen, recipe), {source.name: len(source) for source in chosen.sources}
    batch_sizes = proportional_batch_sizes(rows, options["batch_size"])
    names = [task.name for task in chosen.tasks]
    found = np.zeros((len(names) + 1, 2))
    for arm, groups in enumerate(([[name] for name in names], [names])):
        for group in groups:
            tasks = tuple(task for task in chosen.tasks if task.name in group)
            used = [source.name for source in chosen.sources if set(source.tasks) & set(group)]
            plan = network_plan(chosen.config(), chosen.sources).for_sources(used)
            started = time.process_time()
            whole = make_training_options(**options, threads=1, precision="float32")
            run = fit(plan.build(tasks, seed), chosen.sources, seed=seed, batch_sizes=batch_sizes, options=whole)
            found[-1, arm] += time.process_time() - started
            prepared = {
                f"{source.name} {part}": prepare_source(source, run.tasks, run.normalizations[source.name])
                for part, source in enumerate(test_rows(chosen))
                if source.name in run.normalizations
            }
            outcomes = predict_outcomes(run.model, run.tasks, prepared, run.precision)
            for task in run.tasks:
                metric = metric_of(task)
                found[names.index(task.name), arm] = compute_metrics(outcomes[task.name], [metric])[metric.name]
    return found


def table(name: str, chosen: Problem, found: Mapping[str, Array]) -> Iterator[str]:
    """Yield the lines of a problem: per task, or for all tasks together, a line per recipe."""
    seconds = {recipe: float(values[:, -1].sum(axis=1).mean()) for recipe, values in found.items()}
    metrics = {recipe: values[:, :-1] for recipe, values in found.items()}  # (seeds, tasks, arms)
    names = [f"{task.name}, {metric_of(task).name}" for task in chosen.tasks]
    if len(names) > FEW_TASKS:
        scale = 100 / metrics[next(iter(metrics))][:, :, :1].mean(axis=0, keepdims=True)
        metrics, names = {recipe: values * scale for recipe, values in metrics.items()}, [f"{len(names)} tasks, %"]
    noise = {recipe: _variances(values) for recipe, values in metrics.items()}
    groups = [slice(None)] if len(chosen.tasks) > FEW_TASKS else [slice(place, place + 1) for place in range(len(names))]
    for task, own in zip(names, groups, strict=True):
        first = next(iter(metrics))
        for recipe, values in metrics.items():
            means, spreads = values[:, own].mean(axis=(0, 1)), np.sqrt(values[:, own].var(axis=0, ddof=1).mean(axis=0))
            variance = float(noise[recipe][own].mean())
            power = float(noise[first][own].mean()) * seconds[first] / (variance * seconds[recipe])
            pairs = [f"{mean:.4g} ({spread:.2g})" for mean, spread in zip(means, spreads, strict=True)]
            difference = f"{means[1] - means[0]:+.2g} ({variance**0.5:.2g})"
            yield row([name, task, recipe, *pairs, difference, f"{seconds[recipe]:.1f}", f"{power:.1f}"])


def _variances(values: Array) -> Array:
    """Return the variance over seeds of the paired difference, per task."""
    return np.asarray((values[:, :, 1] - values[:, :, 0]).var(axis=0, ddof=1))


HEAD = ("data", "task, metric", "recipe", "single (SD)", "joint (SD)", "difference (SD)", "processor s per seed", "power")


def step_costs() -> Iterator[str]:
    """Yield the time of a step, and that of averaging, for networks of different sizes."""
    yield row(["network", "rows", "ms per step", "µs for averaging", "share"])
    yield "|---" * 5 + "|"
    for name, data, rows in (("reference network", "mnist-fashion", 64), ("reference network", "mnist-fashion", 256), ("table", "enb", 32)):
        chosen = find_problem(data)
        plan = network_plan(chosen.config(), chosen.sources)
        model: MultiTaskModel = plan.build(chosen.tasks, 0)
        loop, _ = build_loop(model, chosen.sources, batch_size=rows, threads=1, precision="float32")
        averages, batches = loop.state.averages, [step for _, step in zip(range(15), loop.epoch_batches(), strict=False)]
        if averages is None:
            raise SystemExit("averaging is off")
        loop.state.averages = None
        model.train()
        torch.set_num_threads(1)
        step = min(_seconds_of(partial(_steps, loop, batches), 1) for _ in range(8)) / len(batches)
        average = min(_seconds_of(partial(averages.update, loop.sampler.steps), 50) for _ in range(20))
        yield row([name, rows, f"{1e3 * step:.2f}", f"{1e6 * average:.0f}", f"{average / step:.1%}"])


def _steps(loop: TrainingLoop, batches: Sequence[StepBatches]) -> None:
    for batch in batches:
        loop.step(batch)


def _seconds_of(run: Callable[[], None], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - started) / times


def main() -> None:
    """Measure the recipes, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=[*PROBLEMS, "atis"])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--write", action="store_true", help="write the table into docs/studies.md")
    parser.add_argument("--cost", action="store_true")
    given = parser.parse_args()
    if given.cost:
        print("\n".join(step_costs()))
        return
    lines = [row(HEAD), "|---" * len(HEAD) + "|"]
    for name in given.data:
        chosen = find_problem(name)
        found = {recipe: _pooled(given.out, chosen, recipe, range(given.seeds)) for recipe in given.recipes}
        lines += table(name, chosen, found)
        print("\n".join(lines), flush=True)
    if given.write:
        put("recipe", "\n".join(lines), PAGE)


def _pooled(folder: Path, chosen: Problem, recipe: str, seeds: Sequence[int]) -> Array:
    kept = folder / chosen.name / recipe
    return np.stack(pool(kept, [str(seed) for seed in seeds], lambda seed: figures(chosen, recipe, int(seed))))


if __name__ == "__main__":
    main()
