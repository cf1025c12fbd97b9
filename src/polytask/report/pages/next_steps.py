"""Commands that go on from a finished run, as a reader of its report can copy them."""

from __future__ import annotations

from dataclasses import dataclass

from polytask.report.contents.run_contents import RunContents
from polytask.verdicts.shown.claim_sentences import continue_text

HERE = "."
"""The commands are for the folder of the page, so that they hold wherever the folder is."""


@dataclass(frozen=True)
class NextStep:
    """A command, and what it does."""

    purpose: str
    command: str


def next_steps(contents: RunContents) -> tuple[NextStep, ...]:
    """Return what to type in the folder of a run: to add seeds, predict, load the model, and repeat the run.

    Args:
        contents: Content of the run folder; what it lacks, such as a model, gives no command.
    """
    there = {name for name, _ in contents.files}
    found = []
    recommended = contents.outcome.recommendation
    if "run.yaml" in there and recommended is not None and recommended.more_seeds:
        found.append(NextStep("Continue: more seeds for what is unclear", continue_text(recommended.more_seeds, HERE, None)))
    if "model" in there:
        if any(name.startswith("tables.") for name, _ in contents.configuration):
            found.append(NextStep("Predict a new table", "polytask predict . new.csv -o predictions.csv --proba"))
        found.append(NextStep("Load the model in Python", 'import polytask as pt; model = pt.load(".")'))
    if "run.yaml" in there:
        found.append(NextStep("Repeat the run", "polytask study run.yaml --out ../repeated"))
    if "verdict.yaml" in there:
        found.append(NextStep("Repeat the verdict", "polytask verdict ."))
    found.append(NextStep("Rebuild this page", "polytask report ."))
    return tuple(found)
