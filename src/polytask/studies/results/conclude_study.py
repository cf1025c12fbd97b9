"""Conclusion of a study: verdict, costs, recommendation and all files of the run folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from polytask.options import StudyConfig
from polytask.run_files import ArmCost, CostFile, Finding, Recommendation, TaskTransfer, VerdictFile
from polytask.studies.execution.job_training import Job, load_job_facts
from polytask.studies.results.arm_cost import COST_NOTE, arm_cost, arm_network_parts
from polytask.studies.results.arms_with_failed_steps import failed_steps_of, refuse_arm_with_failed_steps, warn_of_failed_steps
from polytask.studies.results.callback_results import write_callback_results
from polytask.studies.results.equal_time import equal_time_comparison
from polytask.studies.results.export_model import export_model
from polytask.studies.results.negative_transfer import add_leads, summarize_transfer
from polytask.studies.results.open_test_data import HeldOutResults, count_openings
from polytask.studies.results.recommendation import advise_study, circumstances, recommendation_record
from polytask.studies.results.result_tables import history_table, validation_rows
from polytask.studies.results.run_findings import rate_findings, risk_sentences, run_findings, shipped_risk
from polytask.studies.results.source_buffer_notes import source_buffer_notes
from polytask.studies.results.verdict_notes import verdict_notes
from polytask.studies.setup.run_folder import RunFolder, write_dataframe
from polytask.studies.setup.seed_budget import plan_of
from polytask.studies.spec.arms import ResolvedArm, arm_titles
from polytask.studies.tables.sharing_families import SharingVerdicts, count_families, sharing_verdicts
from polytask.studies.tables.ship_advice import advise_over_all, table_utilities, utility_sentences
from polytask.studies.tuning.arm_selection import RaceResult
from polytask.studies.tuning.trial_runner import race_cost
from polytask.tasks import Task
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.estimates.empty_same import without_empty_same
from polytask.verdicts.shown.advice_sentences import RecommendedArm
from polytask.verdicts.spending.seed_plan import SeedPlan


@dataclass(frozen=True)
class StudyResult:
    """Result of a study.

    Attributes:
        verdict: Verdict per task and arm.
        recommendation: Arm to ship, and why.
        costs: Cost per arm.
        predictions: Predictions of the test rows, one row per arm, seed, task and unit.
        folder: Run folder with all files.
        summary: Content of verdict.json.
    """

    verdict: Verdict
    recommendation: Recommendation
    costs: Mapping[str, ArmCost]
    predictions: pd.DataFrame
    folder: Path
    summary: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<StudyResult: {self.verdict.titles[self.recommendation.arm]} recommended; {self.folder}>"

    def __str__(self) -> str:
        """Return the advice, the verdict, and the path of the run folder."""
        return f"{self.verdict}\nEverything is in {self.folder}"

    def _repr_markdown_(self) -> str:
        return f"{self.verdict._repr_markdown_()}\n\nEverything is in `{self.folder}`"

    def _repr_html_(self) -> str:
        return f"{self.verdict._repr_html_()}<p>Everything is in <code>{escape(str(self.folder))}</code></p>"


@dataclass(frozen=True)
class TestedStudy:
    """A study whose networks are trained and tested.

    Attributes:
        config: Resolved configuration.
        tasks: All tasks.
        arms: Arms that were tested.
        all_arms: Tested arms, and the arms that lost the race.
        raced: Result of tuning and the race.
        jobs: Jobs of all networks.
        tested: Predictions and metrics on the test data.
        train_units: Labeled training rows of a split, per task, if seeds are splits of a cross-validation.
    """

    config: StudyConfig
    tasks: tuple[Task, ...]
    arms: tuple[ResolvedArm, ...]
    all_arms: tuple[ResolvedArm, ...]
    raced: RaceResult
    jobs: tuple[Job, ...]
    tested: HeldOutResults
    train_units: Mapping[str, int] | None = None

    @property
    def plan(self) -> SeedPlan:
        """Planned looks at the test data, the finished plan's continuations included; kinds of models share the error."""
        return replace(plan_of(self.config), families=count_families(self.arms))

    @property
    def facts(self) -> dict[str, list[tuple[Job, Mapping[str, Any]]]]:
        """Networks with their recorded facts, per arm."""
        return {arm.name: [(job, load_job_facts(job)) for job in self.jobs if job.arm.name == arm.name] for arm in self.arms}

    def chosen(self, facts: Mapping[str, Sequence[tuple[Job, Mapping[str, Any]]]]) -> ResolvedArm:
        """Return the joint arm that the verdict is about: the winner of the race, or the best on validation data.

        Without a race, only the seeds of the first look choose, at every look, so that all looks are about one arm. These networks are kept
        in the run folder, so that a study that is resumed, continued or repeated makes the same choice. Arms with too many steps without a
        solution or with values that are not finite are only chosen if all have.
        """
        joint = {arm.name: arm for arm in self.arms if arm.is_joint}
        if self.raced.winner is not None:
            return joint[self.raced.winner]
        first = frozenset(self.config.seeds[: self.plan.looks[0]])
        facts = {name: [(job, fact) for job, fact in facts[name] if job.seed in first] for name in joint}
        joint = {
            name: arm for name, arm in joint.items() if not failed_steps_of(arm_cost(facts[name]), self.config.training).too_many()
        } or joint
        return joint[max(joint, key=lambda name: sum(fact["relative"] * len(job.tasks) for job, fact in facts[name]))]

    def verdict(self, chosen: ResolvedArm, openings: int) -> Verdict:
        """Compute the verdict on the test predictions, after this many openings of the test data."""
        found = verdict(
            self.tested.predictions,
            chosen=chosen.name,
            kinds={task.name: task for task in self.tasks},
            margins=self.config.margins,
            train_units=self.train_units,
            looks=self.plan,
            test_openings=openings,
        )
        return found.with_titles(arm_titles(self.all_arms))

    def sharing(self, openings: int) -> SharingVerdicts:
        """Compute what sharing does among trees and among linear models, after this many openings of the test data."""
        return sharing_verdicts(
            self.tested.predictions,
            self.arms,
            self.tasks,
            margins=self.config.margins,
            train_units=self.train_units,
            plan=self.plan,
            openings=openings,
            titles=arm_titles(self.all_arms),
        )


def has_unclear_claim(verdict: Verdict) -> bool:
    """Return whether a claim about the chosen arm is unclear, of a task or of the mean over tasks, so that a further look may settle it."""
    return bool(verdict.unclear(str(verdict.chosen)))


def conclude_study(folder: RunFolder, study: TestedStudy) -> StudyResult:
    """Compute verdict, costs and recommendation, and write all files of the run folder; the model comes last."""
    facts = study.facts
    chosen = study.chosen(facts)
    costs = {arm: arm_cost(own) for arm, own in facts.items()}
    openings = count_openings(folder.ledger)
    findings = run_findings(study.arms, study.tasks, facts, study.tested.results, study.tested.predictions)
    empty = {(one.arm, task) for one in findings if one.kind == "trivial" for task in one.tasks}
    verdict = without_empty_same(warn_of_failed_steps(study.verdict(chosen, openings), costs, study.config.training), empty)
    advised, recommendation = _advice(study, verdict, chosen, costs)
    verdict = verdict.with_advice(advised)
    every = [fact for own in facts.values() for fact in own]
    write_dataframe(folder.path / "results.csv", pd.concat([validation_rows(every), study.tested.results], ignore_index=True))
    write_dataframe(folder.predictions, study.tested.predictions)
    history = add_leads(history_table(every), study.tasks)
    write_dataframe(folder.path / "history.csv", history)
    write_callback_results(folder, every)
    _cost_file(folder, facts, costs).write(folder.costs)
    findings += rate_findings(study.arms, study.raced.tried, study.raced.chosen)
    summary = _verdict_file(study, verdict, recommendation, summarize_transfer(history), findings)
    summary = _with_sharing(summary, study.sharing(openings), empty)
    summary = summary.model_copy(update={"notes": (*summary.notes, *source_buffer_notes([fact for _, fact in every]))})
    summary.write(folder.verdict)
    folder.log(recommendation.reason)
    export_model(folder.model, facts[recommendation.arm], study.config.train)
    return StudyResult(verdict, recommendation, costs, study.tested.predictions, folder.path, summary.to_dict())


def _advice(
    study: TestedStudy, verdict: Verdict, chosen: ResolvedArm, costs: Mapping[str, ArmCost]
) -> tuple[RecommendedArm, Recommendation]:
    """Return the advice on networks, or to ship a model of another kind if more is expected of it."""
    names, config = [task.name for task in study.tasks], study.config
    advised = advise_study(verdict, chosen, costs, config.protect, config.tolerate)
    advised = refuse_arm_with_failed_steps(advised, chosen.title, len(names), circumstances(chosen, costs), config.training)
    record = recommendation_record(advised, chosen.groups, names)
    return advise_over_all(verdict, advised, record, table_utilities(verdict, study.arms, config.protect, config.tolerate))


def _with_sharing(summary: VerdictFile, sharing: SharingVerdicts, empty: Collection[tuple[str, str]]) -> VerdictFile:
    """Return the content of verdict.json with what sharing does among models of tables, and what is expected of every arm."""
    sharing = sharing.without_empty_same(empty)
    found = sharing.records()
    said = [*sharing.sentences(), *(utility_sentences(summary.recommendation, summary.titles) if summary.recommendation else ())]
    notes = {"notes": (*said, *summary.notes)} if said else {}
    return summary.model_copy(update={**({"sharing": found} if found else {}), **notes})


def _cost_file(folder: RunFolder, facts: Mapping[str, Sequence[tuple[Job, Mapping[str, Any]]]], costs: Mapping[str, ArmCost]) -> CostFile:
    raced = {"race": race_cost(folder.trial_networks)} if folder.trial_networks.exists() else {}
    content = {
        "arms": dict(costs),
        **raced,
        "views": equal_time_comparison(facts),
        "parts": {arm: found for arm, own in facts.items() if (found := arm_network_parts(own))},
        "note": COST_NOTE,
    }
    return CostFile.from_content(content)


def _verdict_file(
    study: TestedStudy,
    verdict: Verdict,
    recommendation: Recommendation,
    transfer: Mapping[str, Mapping[str, TaskTransfer]],
    findings: Sequence[Finding],
) -> VerdictFile:
    """Return the content of verdict.json. It holds no time, so that a repeated study writes the same bytes."""
    config = study.config
    notes = verdict_notes(config, study.all_arms, study.raced)
    shipped = shipped_risk(recommendation.arm, study.tasks, study.tested.results)
    title = verdict.titles[recommendation.arm]
    risks = risk_sentences(title, shipped, study.tasks, "network" if recommendation.of_networks else "model")
    content = {
        "study": config.source or " + ".join(config.tables) or "sources given in Python",
        "version": config.version,
        **(said := verdict.to_dict()),
        "warnings": [*said.get("warnings", ()), *(one.text for one in findings)],
        "titles": dict(verdict.titles),
        "transfer": {arm: dict(own) for arm, own in transfer.items()},
        "protect": list(config.protect),
        "recommendation": recommendation,
        "shipped": shipped,
        "findings": findings,
        "notes": [
            *risks,
            *notes,
            *(sentence for arm, own in transfer.items() for sentence in _negative_transfer_notes(verdict.titles[arm], own)),
        ],
    }
    return VerdictFile.from_content(content)


def _negative_transfer_notes(arm: str, transfer: Mapping[str, TaskTransfer]) -> Iterator[str]:
    """Yield a sentence per task that falls behind its single-task twin on validation data, with the tasks whose gradients oppose it."""
    for task, one in transfer.items():
        if one.behind:
            others = ", ".join(f"{other} ({cosine:.2f})" for other, cosine in one.opposed_by.items())
            opposed = f"; gradients that oppose it, with their mean cosine: {others}" if others else ""
            yield f"On validation data {task} falls behind its single-task twin under {arm} ({one.lead:+.3g}){opposed}."
