"""Notes to a verdict: what was and was not tuned, how the arm was chosen, and which arms the budget favors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polytask.options import StudyConfig
from polytask.studies.affinity.grouped_arms import describe_groups
from polytask.studies.spec.arms import ResolvedArm, arm_titles
from polytask.studies.tuning.arm_selection import RaceResult
from polytask.studies.tuning.search_space import LR, Settings

TUNABLE_NAMES = {"lr": "learning rate", "decay": "weight decay", "balancer": "numbers of the balancers"}


def verdict_notes(config: StudyConfig, arms: Sequence[ResolvedArm], raced: RaceResult) -> list[str]:
    """Return all notes to a verdict, a sentence or two each."""
    by_networks = (_tuning_notes(config, arms, raced), describe_groups(raced.groups, arms))
    groups = (
        _fold_notes(config),
        *(by_networks if config.train is None else (_function_notes(config),)),
        _race_note(config, arms, raced),
        *((_budget_notes(config),) if config.train is None else ()),
        _baseline_notes(arms),
    )
    return [note for notes in groups for note in notes]


def _fold_notes(config: StudyConfig) -> Iterator[str]:
    """Yield what a cross-validation tells: its question is another one than that of a study with test rows of its own."""
    if config.folds is not None:
        times = len(config.seeds) // config.folds
        yield (
            f"Cross-validated: {config.folds} folds, {times} repetition{'s' * (times > 1)}; every row was tested {times} "
            f"time{'s' * (times > 1)}. The claims are about networks trained on {config.folds - 1} of {config.folds} rows of such data, "
            "not about the network that is saved, which is that of the first split."
        )


def _tuning_notes(config: StudyConfig, arms: Sequence[ResolvedArm], raced: RaceResult) -> Iterator[str]:
    if config.trials == 1:
        fixed = any(arm.balancer == "fixed" for arm in arms)
        yield f"Nothing was tuned: one learning rate ({config.training.lr:g}) for all arms" + (
            "; fixed weights not tuned." if fixed else "."
        )
        return
    what = " and ".join([TUNABLE_NAMES[name] for name in config.tune] + ["fixed weights" for arm in arms if arm.tunes_weights][:1])
    yield f"Tuned on validation data, {config.trials} trials per arm, each single-task network independently: {what}."
    tested = {arm.name: arm for arm in arms if not arm.is_joint or raced.winner in (None, arm.name)}
    for (arm, tasks), settings in raced.chosen.items():
        if arm in tested:
            yield _chosen_settings_note(tested[arm], tasks, settings, raced)


def _chosen_settings_note(arm: ResolvedArm, tasks: Sequence[str], settings: Settings, raced: RaceResult) -> str:
    """Return a note on the chosen settings.

    The note says whether the learning rate is the lowest or highest that was tried: a wider search may find a better one.
    """
    of = f"{arm.title}, {' + '.join(tasks)}" if sum(other == arm.name for other, _ in raced.chosen) > 1 else arm.title
    values = ", ".join(f"{name} {value:.2g}" for name, value in settings.items()) or "untuned settings"
    rates = [one.settings[LR] for one in raced.tried if one.arm == arm.name and tuple(tasks) in one.tasks and LR in one.settings]
    ends = {min(rates, default=0.0): "lowest", max(rates, default=0.0): "highest"}
    at_end = f" (the {ends[settings[LR]]} learning rate that was tried)" if settings.get(LR) in ends else ""
    return f"Found for {of}: {values}{at_end}."


def _race_note(config: StudyConfig, arms: Sequence[ResolvedArm], raced: RaceResult) -> Iterator[str]:
    others = [arm.title for arm in arms if arm.is_joint and arm.name != raced.winner]
    if config.race and others:
        yield f"{arm_titles(arms).get(str(raced.winner), raced.winner)} won a race on validation data; not tested: {', '.join(others)}."


def _budget_notes(config: StudyConfig) -> Iterator[str]:
    training = config.training
    epochs = f"{training.epochs} epoch{'s' * (training.epochs > 1)}"
    if training.keep == "last":
        yield f"Same budget for every arm: {epochs}, of which the last is kept; no epoch is selected on validation data."
        return
    share = f" or {training.patience_share:.0%} of the epochs so far" if training.patience_share else ""
    patience = f"patience {training.patience}{share}." if training.patience else "no early stopping."
    yield f"Same offered budget for every arm: at most {epochs}, {patience}"
    yield (
        "Single-task networks keep the best epoch of their own metric, joint ones that of the mean over tasks, which has less choice for "
        "each task, and less noise with more validation rows."
    )


def _function_notes(config: StudyConfig) -> Iterator[str]:
    """Yield what polytask knows of a training function, and what it does not."""
    limit = "" if config.time_limit is None else f", and at most {config.time_limit:g} s per call"
    epochs = f"{config.training.epochs} epochs{limit}"
    yield f"Trained by {config.train}: every arm was offered {epochs}, and the function used them as it likes."
    yield (
        "polytask gave the function inputs of test rows without labels, in a process of its own; what the function reads by itself is the "
        "duty of its author."
    )


def _baseline_notes(arms: Sequence[ResolvedArm]) -> Iterator[str]:
    baselines = [arm.title for arm in arms if arm.baseline]
    if baselines:
        yield f"Shown for comparison, with one model per task, and never recommended: {', '.join(baselines)}."
