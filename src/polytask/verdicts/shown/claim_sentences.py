"""Sentences about a verdict, from its records: the same in the terminal, on the page, in Markdown and where a verdict is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polytask.metrics import formatting

if TYPE_CHECKING:
    from polytask.run_files import ArmRecord, CostFile, PooledRecord, PowerRecord, VerdictFile

SINGLE = "single"
"""Name of single-task training."""
MOST_MARGINS = 5
"""Tasks whose margins are named."""
NARROW = 2.0
"""An unclear interval of at most this many margins on either side is called narrow: its largest difference is named."""


def join_names(names: list[str] | tuple[str, ...]) -> str:
    """Return names with commas and "and".

    Example:
        >>> join_names(["a", "b", "c"]), join_names(["a"])
        ('a, b and c', 'a')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def seeds_text(settle: PowerRecord | None) -> str:
    """Return the number of seeds that settles a claim, as a range; empty if no number up to 1,000 does.

    Example:
        >>> from polytask.run_files import ArmRecord, PowerRecord
        >>> seeds_text(PowerRecord(seeds=9, most_seeds=30)), seeds_text(PowerRecord(seeds=9)), seeds_text(PowerRecord())
        ('9 to 30', 'at least 9', '')
    """
    if settle is None or settle.seeds is None:
        return ""
    least = formatting.format_rounded_up(settle.seeds)
    if settle.most_seeds is None:
        return f"at least {least}"
    return least if settle.most_seeds == settle.seeds else f"{least} to {formatting.format_rounded_up(settle.most_seeds)}"


def repetitions_text(seeds: int, *, resampled: bool) -> str:
    """Return how often networks were trained: seeds, or splits of a cross-validation.

    Example:
        >>> repetitions_text(5, resampled=False), repetitions_text(10, resampled=True)
        ('5 seeds', '10 splits')
    """
    return f"{seeds:,} {'splits' if resampled else 'seeds'}"


def repetitions_of(outcome: VerdictFile) -> str:
    """Return how often the networks of a run were trained."""
    return repetitions_text(len(outcome.seeds), resampled=outcome.resampled)


def sample_size_lines(metric: str, record: ArmRecord | PooledRecord, repetitions: str, margin: float | None) -> tuple[str, ...]:
    r"""Return what an unclear claim means: what cannot be seen, what is excluded, and what would settle it; else nothing.

    Args:
        metric: Name of the metric.
        record: Verdict about an arm on a task.
        repetitions: Number of seeds or splits so far, with the word.
        margin: Largest difference that counts as the same.

    Example:
        >>> from polytask.run_files import ArmRecord, PowerRecord
        >>> settle = PowerRecord(seeds=9, most_seeds=30, smallest_effect=0.016, bound=0.012)
        >>> record = ArmRecord(verdict="unclear", ci95=(-0.01, 0.012), settle=settle)
        >>> print(*sample_size_lines("accuracy", record, "5 seeds", 0.008), sep="\n")
        differences below 1.6 points cannot be seen with 5 seeds
        whatever the truth, it is below 1.2 points
        9 to 30 seeds would settle it
    """
    if record.verdict != "unclear" or record.settle is None:
        return ()
    low, high = record.ci95 or (None, None)
    if low is not None and high is not None and low > high:
        return ("looks disagree: the intervals of different looks have nothing in common",)
    settle, lines, word = record.settle, [], repetitions.split()[-1]
    if settle.smallest_effect is not None:
        seen = formatting.format_magnitude(metric, settle.smallest_effect)
        lines.append(f"differences below {seen} cannot be seen with {repetitions}")
    if settle.bound is not None and margin and settle.bound <= NARROW * margin:
        lines.append(f"whatever the truth, it is below {formatting.format_magnitude(metric, settle.bound)}")
    ways = [f"{text} {word}" for text in [seeds_text(settle)] if text]
    ways += [f"about {formatting.format_rounded_up(settle.rows)} test rows" for _ in [0] if settle.rows]
    lines.append(f"{' or '.join(ways)} would settle it" if ways else f"more {word} would not settle it")
    return tuple(lines)


def pooled_text(record: PooledRecord | None) -> str:
    """Return the mean over tasks in margins with its interval and its claim; empty if there is none.

    Example:
        >>> from polytask.run_files import PooledRecord
        >>> pooled_text(PooledRecord(difference=0.5, ci95=(0.1, 0.9), verdict="helps"))
        'helps, +0.50 [+0.10, +0.90] margins'
    """
    if record is None or record.difference is None or record.ci95 is None:
        return ""
    number = formatting.format_difference("", record.difference, formatting.half_width(record.ci95))
    return f"{record.verdict}, {number} {formatting.format_interval('', record.ci95)} margins"


def advice_lines(outcome: VerdictFile, costs: CostFile | None = None, folder: str = "") -> tuple[str, ...]:
    """Return headline, risk, cost and next step of the recommendation, with the command that adds seeds.

    Args:
        outcome: Content of verdict.json.
        costs: Content of cost.json, from which the minutes of the command follow; `None` omits them.
        folder: Run folder; empty omits the command.
    """
    found = outcome.recommendation
    if found is None:
        return ()
    seconds = (
        None
        if costs is None
        else sum(float(cost.seconds or 0) for arm, cost in costs.arms.items() if arm in (outcome.baseline, outcome.chosen))
    )
    command = continue_text(found.more_seeds, folder, seconds) if folder else ""
    lines = (found.headline or found.reason, found.risk, found.cost, found.next_step, command)
    return tuple(line for line in lines if line)


def continue_text(more_seeds: int, folder: str, seconds: float | None) -> str:
    """Return the command that adds seeds to a finished run, and how long it takes on one processor; empty if no seeds are needed.

    Args:
        more_seeds: Number of further seeds.
        folder: Run folder.
        seconds: Seconds that one more seed takes, if they were measured.

    Example:
        >>> continue_text(9, "runs/demo", 20.0), continue_text(0, "runs/demo", 20.0)
        ('polytask study runs/demo/run.yaml --out runs/demo --continue 9 (about 3 minutes of training)', '')
    """
    if not more_seeds:
        return ""
    took = f" (about {minutes_text(more_seeds * seconds)} of training)" if seconds else ""
    return f"polytask study {folder}/run.yaml --out {folder} --continue {more_seeds}{took}"


def minutes_text(seconds: float) -> str:
    """Return a time in seconds or minutes.

    Example:
        >>> minutes_text(40.2), minutes_text(170.0)
        ('40 seconds', '3 minutes')
    """
    return f"{max(1, round(seconds))} seconds" if seconds < 90 else f"{round(seconds / 60):,} minutes"


def reference_text(outcome: VerdictFile) -> str:
    """Return what the arms are compared with: single-task training, unless the baseline has another name.

    Example:
        >>> from polytask.run_files import VerdictFile
        >>> reference_text(VerdictFile()), reference_text(VerdictFile(baseline="old"))
        ('single-task training', 'old')
    """
    return "single-task training" if outcome.baseline in (SINGLE, outcome.titles.get(SINGLE)) else outcome.baseline


def openings_sentence(outcome: VerdictFile) -> str:
    """Return a sentence on the number of seeds or splits, and how often the test data were opened.

    Example:
        >>> from polytask.run_files import VerdictFile
        >>> openings_sentence(VerdictFile(seeds=(0, 1, 2), test_openings=1))
        'Seeds: 3. The test data were opened once.'
    """
    times = {None: "an unknown number of times", 1: "once"}.get(outcome.test_openings, f"{outcome.test_openings} times")
    number, word = repetitions_of(outcome).split()
    said = f"{word.capitalize()}: {number}. The test data were opened {times}."
    if len(outcome.looks) < 2:
        return said
    spared = "; the later ones were not needed" if len(outcome.seeds) < outcome.looks[-1] else ""
    return f"{said} Looks were planned after {join_names([str(look) for look in outcome.looks])} seeds{spared}."


def margins_sentence(outcome: VerdictFile) -> str:
    """Return what a margin is for each task, for output without a table of margins; empty if there is none.

    Example:
        >>> from polytask.run_files import TaskRecord, VerdictFile
        >>> margins_sentence(VerdictFile(tasks={"digit": TaskRecord(metric="accuracy", margin=0.004)}))
        'A margin is the largest difference that counts as the same: digit 0.40 points.'
    """
    known = [(name, task.metric, task.margin) for name, task in outcome.tasks.items() if task.margin is not None]
    parts = [f"{name} {formatting.format_magnitude(metric, margin)}" for name, metric, margin in known[:MOST_MARGINS]]
    more = [f"{len(known) - MOST_MARGINS} more in the report"] if len(known) > MOST_MARGINS else []
    return f"A margin is the largest difference that counts as the same: {join_names([*parts, *more])}." if parts else ""


def chosen_arm_sentence(outcome: VerdictFile) -> str:
    """Return a sentence on what the choice among several arms means for the verdicts; empty if there was no choice."""
    alone = any(not record.adjusted for task in outcome.tasks.values() for record in task.arms.values())
    if not (alone and outcome.chosen):
        return ""
    return f"{outcome.chosen} was chosen on validation data. Its verdicts are adjusted for several tasks; those of other arms are not."
