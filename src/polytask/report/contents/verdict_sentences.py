"""Sentences about a verdict that the page and the terminal share."""

from __future__ import annotations

from polytask.report import formatting
from polytask.run_files import ArmRecord, VerdictFile


def openings_sentence(outcome: VerdictFile) -> str:
    """Return a sentence on the number of seeds and how often the test data were opened.

    Example:
        >>> openings_sentence(VerdictFile(seeds=(0, 1, 2), test_openings=1))
        'Seeds: 3. The test data were opened once.'
    """
    times = {None: "an unknown number of times", 1: "once"}.get(outcome.test_openings, f"{outcome.test_openings} times")
    return f"Seeds: {len(outcome.seeds)}. The test data were opened {times}."


def chosen_arm_sentence(outcome: VerdictFile) -> str:
    """Return a sentence on what the choice among several arms means for the verdicts; empty if there was no choice."""
    alone = any(not record.adjusted for task in outcome.tasks.values() for record in task.arms.values())
    if not (alone and outcome.chosen):
        return ""
    return f"{outcome.chosen} was chosen on validation data. Its verdicts are adjusted for several tasks; those of other arms are not."


def sample_size_lines(metric: str, record: ArmRecord) -> tuple[str, ...]:
    """Return, for an unclear verdict, the sample size that would settle it and the smallest detectable difference; else nothing.

    Example:
        >>> from polytask.run_files import PowerRecord
        >>> sample_size_lines("accuracy", ArmRecord(verdict="unclear", settle=PowerRecord(seeds=9, rows=12000, smallest_effect=0.004)))
        ('about 9 seeds or 12,000 test rows would settle it', 'smallest detectable difference: 0.40 points (80 % power)')
    """
    if record.verdict != "unclear" or record.settle is None:
        return ()
    needed = ((record.settle.seeds, "seeds"), (record.settle.rows, "test rows"))
    ways = " or ".join(f"{formatting.format_rounded_up(number)} {name}" for number, name in needed if number)
    named = f"about {ways} would settle it" if ways else "neither more seeds nor more test rows would settle it"
    seen = record.settle.smallest_effect
    return (named, *([] if seen is None else [f"smallest detectable difference: {formatting.format_magnitude(metric, seen)} (80 % power)"]))
