"""Selection on validation data, before the test data are opened: settings of every arm, and the joint arm to test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from polytask.options import StudyConfig, TrainingOptions
from polytask.run_files import RaceFile, TrialRecord, TunedArm
from polytask.seeds import derive_seed
from polytask.studies.affinity.grouped_arms import ArmGroups
from polytask.studies.execution.job_training import ChosenSettings
from polytask.studies.spec.arms import ResolvedArm
from polytask.studies.tuning.rate_edges import try_beyond_edges
from polytask.studies.tuning.search_algorithm import SearchAlgorithm, make_search
from polytask.studies.tuning.search_space import Settings, search_space
from polytask.studies.tuning.successive_halving import RunTrials, Trial, TrialResult, rank_trials, run_successive_halving

JOINT_BRACKET, FINAL_BRACKET = "joint", "final"
RACE_STREAM = "race"

TuningKey = tuple[str, tuple[tuple[str, ...], ...]]
"""Name of an arm, and the tasks of each of its networks that are tuned together."""


@dataclass(frozen=True)
class RaceResult:
    """Result of grouping, tuning and the race.

    Attributes:
        winner: Name of the joint arm to test; `None` without a race, when all joint arms are tested.
        groups: Groups of tasks per name of a `grouped` arm.
        chosen: Best settings per name of an arm and group of tasks; arms that were not tuned have no entry.
        tried: Results of all trials, as plain data.
    """

    winner: str | None = None
    groups: ArmGroups = field(default_factory=dict)
    chosen: ChosenSettings = field(default_factory=dict)
    tried: tuple[TrialRecord, ...] = ()


def run_race(config: StudyConfig, arms: Sequence[ResolvedArm], options: TrainingOptions, run_trials: RunTrials) -> RaceResult:
    """Tune the settings of all arms and, if the study has a race, select the joint arm to test.

    Each arm has the same number of trials; the first is the arm without tuning. Where the best learning rate is the lowest or highest that
    was tried, one more trial goes beyond it. Single-task networks are tuned independently. In a race,
    all trials of all joint arms compete in one bracket; the arms that are left at its end are trained again with another seed.

    Args:
        config: Resolved configuration of the study.
        arms: All arms, with their groups.
        options: Training options.
        run_trials: Function that trains candidates.
    """
    races = config.race
    tried = _run_brackets(config, _brackets(arms, races=races), {arm.name: arm for arm in arms}, options, run_trials)
    tried += try_beyond_edges(_best_trials(tried), tried, options.lr, options.epochs, run_trials)
    best = _best_trials(tried)
    finals = _run_finals(best, options.epochs, race_seed(config, 1), run_trials) if races else []
    chosen = {(one.candidate.arm.name, group): one.candidate.settings for one in best for group in one.candidate.groups}
    winner = _find_winner([arm for arm in arms if arm.is_joint], best, finals, options.epochs) if races else None
    groups = {arm.name: arm.groups for arm in arms if arm.max_groups}
    return RaceResult(winner, groups, chosen, tuple(one.record for one in (*tried, *finals)))


def race_seed(config: StudyConfig, number: int) -> int:
    """Return seed `number` of the race, different from the seeds of the networks that are tested."""
    return derive_seed(min(config.seeds), RACE_STREAM, number)


def _brackets(arms: Sequence[ResolvedArm], *, races: bool) -> dict[str, tuple[TuningKey, ...]]:
    """Return the brackets by name: one per tuned network, and in a race one in which all joint arms compete."""
    alone = [arm for arm in arms if arm.is_network and not (races and arm.is_joint)]
    brackets: dict[str, tuple[TuningKey, ...]] = {
        f"{arm.name}: {' + '.join(group)}": ((arm.name, (group,)),) for arm in alone for group in arm.groups
    }
    return {**brackets, JOINT_BRACKET: tuple((arm.name, arm.groups) for arm in arms if arm.is_joint)} if races else brackets


def _run_brackets(
    config: StudyConfig,
    brackets: Mapping[str, Sequence[TuningKey]],
    arms: Mapping[str, ResolvedArm],
    options: TrainingOptions,
    run_trials: RunTrials,
) -> list[TrialResult]:
    """Run successive halving in all brackets with more than one trial; an adaptive search does so in several rounds."""
    open_ = {name: keys for name, keys in brackets.items() if len(keys) * config.trials > 1}
    searches = {key: _make_search(config, arms[key[0]], key[1], options) for keys in open_.values() for key in keys}
    tried: list[TrialResult] = []
    for trials in _split_trials(config.trials, max((search.rounds for search in searches.values()), default=1)):
        proposed = {key: _propose_settings(search, trials) for key, search in searches.items()}
        candidates = {
            name: [
                Trial(arms[key[0]], trial, own, race_seed(config, 0), key[1])
                for key in keys
                for trial, own in zip(trials, proposed[key], strict=True)
            ]
            for name, keys in open_.items()
        }
        for one in run_successive_halving(candidates, options.epochs, run_trials):
            searches[one.candidate.arm.name, one.candidate.groups].tell(one.candidate.settings, one.score)
            tried.append(one)
    return tried


def _make_search(config: StudyConfig, arm: ResolvedArm, groups: tuple[tuple[str, ...], ...], options: TrainingOptions) -> SearchAlgorithm:
    tasks = [task for group in groups for task in group]
    space = search_space(arm, tasks, options, config.tune) if config.trials > 1 else ()
    return make_search(config.search, space, derive_seed(race_seed(config, 0), "search", arm.name, *tasks))


def _split_trials(trials: int, rounds: int) -> list[range]:
    """Divide the trial numbers 1, …, `trials` into rounds of almost equal size.

    Example:
        >>> _split_trials(8, 3)
        [range(1, 4), range(4, 7), range(7, 9)]
    """
    ends = [1 + -(-trials * number // rounds) for number in range(rounds + 1)]
    return [range(start, end) for start, end in pairwise(ends) if end > start]


def _propose_settings(search: SearchAlgorithm, trials: range) -> list[Settings]:
    """Return the settings of these trials; trial 1 is always the arm without tuning."""
    first: list[Settings] = [{}] if trials.start == 1 else []
    return first + search.ask(len(trials) - len(first))


def _best_trials(tried: Sequence[TrialResult]) -> list[TrialResult]:
    """Return the best trial per arm and groups of tasks among those with the most epochs; the best first."""
    best: dict[TuningKey, TrialResult] = {}
    for one in rank_trials(tried):
        best.setdefault((one.candidate.arm.name, one.candidate.groups), one)
    return list(best.values())


def _run_finals(best: Sequence[TrialResult], epochs: int, seed: int, run_trials: RunTrials) -> list[TrialResult]:
    """Train the arms that had the whole budget again with another seed; return nothing if there is only one such arm."""
    last = [one for one in best if one.bracket == JOINT_BRACKET and one.epochs == epochs]
    if len(last) < 2:
        return []
    again = [replace(one.candidate, seed=seed) for one in last]
    scores = run_trials(again, [epochs] * len(again))
    return [TrialResult(candidate, FINAL_BRACKET, epochs, own[-1]) for candidate, own in zip(again, scores, strict=True)]


def _find_winner(joint: Sequence[ResolvedArm], best: Sequence[TrialResult], finals: Sequence[TrialResult], epochs: int) -> str:
    """Return the name of the joint arm with the best mean score over its seeds."""
    if len(joint) == 1:
        return joint[0].name
    sums = {one.candidate.arm.name: one.score for one in best if one.bracket == JOINT_BRACKET and one.epochs == epochs}
    for one in finals:
        sums[one.candidate.arm.name] += one.score
    return max(sums, key=lambda name: sums[name])


def write_race_result(path: Path, raced: RaceResult) -> None:
    """Write the result to a file, if anything was tuned, raced or grouped."""
    if raced.tried or raced.groups:
        chosen = tuple(TunedArm(arm=arm, tasks=tasks, settings=dict(settings)) for (arm, tasks), settings in raced.chosen.items())
        RaceFile(winner=raced.winner, groups=dict(raced.groups), chosen=chosen, tried=raced.tried).write(path)


def read_race_result(path: Path) -> RaceResult | None:
    """Read the result from a file; `None` if there is no file.

    Raises:
        StorageError: The file is damaged.
    """
    if not path.exists():
        return None
    found = RaceFile.read(path)
    chosen = {(one.arm, one.tasks): one.settings for one in found.chosen}
    return RaceResult(found.winner, found.groups, chosen, found.tried)
