"""The four sentences of an advice: headline, risk, cost, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polytask.metrics import formatting
from polytask.verdicts.arm_verdict import settle_record
from polytask.verdicts.shown.claim_sentences import join_names, seeds_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polytask.run_files import ArmCost
    from polytask.verdicts.advice import Advice
    from polytask.verdicts.arm_verdict import TaskVerdict
    from polytask.verdicts.verdict_result import VerdictData

MOST_WORDS = 12
"""Longest headline."""
MOST_TASKS = 3
"""Tasks whose risk is named; of more tasks, those that may lose most in margins."""
ENDINGS = {
    (True, True): "shown to pay",
    (True, False): "likely to pay, not shown",
    (False, True): "shown to be better",
    (False, False): "likely better, not shown",
}
TIED = "as good as together, not shown"
NO_WORSE = "shown as good, and cheaper"
"""Ending where no task and no mean is shown to gain: what pays is the saving."""


@dataclass(frozen=True)
class Circumstances:
    """What is known beside the verdict.

    Attributes:
        groups: Tasks of each joint network.
        joint: Cost of the joint arm, if it was measured.
        single: Cost of single-task training, if it was measured.
        finished: What to do if nothing is left to test.
        networks: Number of joint networks, if their groups are not known.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    joint: ArmCost | None = None
    single: ArmCost | None = None
    finished: str = "Nothing is left to test."
    networks: int = 1

    @property
    def joint_networks(self) -> int:
        """Number of joint networks."""
        return len(self.groups) or self.networks


@dataclass(frozen=True)
class AdviceSentences:
    """An advice in words.

    Attributes:
        headline: What to do, in at most 12 words.
        risk: What may be lost.
        cost: What it costs or saves.
        next_step: What to do next.
        more_seeds: Fewest further seeds that may settle what is unclear; 0 if there are none.
    """

    headline: str
    risk: str
    cost: str
    next_step: str
    more_seeds: int = 0

    @property
    def lines(self) -> tuple[str, ...]:
        """The four sentences, in order."""
        return self.headline, self.risk, self.cost, self.next_step


@dataclass(frozen=True)
class RecommendedArm:
    """Advice with its sentences.

    Attributes:
        advice: Level, expected utility and bounds.
        sentences: Headline, risk, cost and next step.
    """

    advice: Advice
    sentences: AdviceSentences

    @property
    def headline(self) -> str:
        """What to do, in at most 12 words."""
        return self.sentences.headline

    def __str__(self) -> str:
        """Return the four sentences, one per line."""
        return "\n".join(line for line in self.sentences.lines if line)

    def _repr_markdown_(self) -> str:
        first, *rest = (line for line in self.sentences.lines if line)
        return "\n\n".join([f"**{first}**", *rest])


def advice_sentences(advice: Advice, verdict: VerdictData, known: Circumstances) -> AdviceSentences:
    """Return an advice in words: the only place that makes them.

    Args:
        advice: The advice.
        verdict: The verdict that it follows from.
        known: What is known beside the verdict.
    """
    return AdviceSentences(
        _headline(advice, verdict, known),
        _risk(advice, verdict),
        cost_sentence(advice, len(verdict.tasks), known),
        *_next(advice, verdict, known),
    )


def _headline(advice: Advice, verdict: VerdictData, known: Circumstances) -> str:
    how = "separately" if not advice.together else "together" if known.joint_networks < 2 else f"in {known.joint_networks} groups"
    ending = TIED if advice.tied else NO_WORSE if _only_saves(advice, verdict) else ENDINGS[advice.together, advice.shown]
    lines = [f"Train {names} {how}: {ending}." for names in (join_names(tuple(verdict.tasks)), _all(verdict))]
    return lines[0] if len(lines[0].split()) <= MOST_WORDS else lines[1]


def _only_saves(advice: Advice, verdict: VerdictData) -> bool:
    """Return whether training together is shown to pay although every claim is that it makes no difference that matters."""
    claims = [task.arms[advice.arm].claim for task in verdict.tasks.values()]
    return advice.together and advice.shown and advice.saved > 0 and set(claims) == {"same"}


def _all(verdict: VerdictData) -> str:
    return f"the {len(verdict.tasks)} tasks"


def _risk(advice: Advice, verdict: VerdictData) -> str:
    """Name what each task may lose, or what is given up: the ends of the 95 % intervals."""
    arm = advice.arm
    lead = "On average over seeds, at worst" if advice.together else "Trained together, at best on average over seeds"
    text = extreme_sentence(verdict, advice.worst if advice.together else advice.best, lead, worst=advice.together)
    hurt = [name for name, task in verdict.tasks.items() if task.arms[arm].claim == "hurts"]
    if hurt:
        text += f" Joint training hurts {join_names(hurt) if len(hurt) < len(verdict.tasks) else 'every task'}."
    if advice.at_risk:
        text += f" Protected, and may lose more than {advice.tolerance.text}: {join_names(advice.at_risk)}."
    return text


def extreme_sentence(verdict: VerdictData, ends: Mapping[str, float], lead: str, *, worst: bool) -> str:
    """Name what each task may lose or gain by an arm; of many tasks, those that may change most in margins.

    Args:
        verdict: The verdict.
        ends: End of the interval per task.
        lead: Words before the changes.
        worst: Whether the ends are the lower ones.
    """
    in_margins = {name: ends[name] / (task.margin or 1.0) for name, task in verdict.tasks.items()}
    order = sorted(verdict.tasks, key=lambda name: in_margins[name], reverse=not worst)
    parts = [_change(name, verdict.tasks[name], ends[name], worst) for name in order[:MOST_TASKS]]
    rest = _rest([in_margins[name] for name in order[MOST_TASKS:]], worst=worst)
    return f"{lead}: {join_names([*parts, *rest])} (95 % interval)."


def _rest(ends: Sequence[float], *, worst: bool) -> list[str]:
    """Return how tasks that are not named may change, whose ends are ordered from the extreme one.

    Example:
        >>> _rest([-2.0, 0.5], worst=True), _rest([0.1, 0.5, 3.0], worst=True), _rest([-0.5, -2.0], worst=False), _rest([], worst=True)
        (['each of the other 2 loses at most 2 margins'], ['the other 3 still gain'], ['the other 2 still lose'], [])
    """
    if not ends:
        return []
    others, extreme = f"the other {len(ends)}" if len(ends) > 1 else "the other one", ends[0]
    if (extreme >= 0) == worst:
        return [f"{others} still {'gain' if worst else 'lose'}{'s' * (len(ends) == 1)}"]
    each = f"each of {others}" if len(ends) > 1 else others
    return [f"{each} {'loses' if worst else 'gains'} at most {abs(extreme):.2g} margins"]


def _change(name: str, task: TaskVerdict, end: float, worst: bool) -> str:
    """Return how a task may change: "garment loses 0.31 points"."""
    size = formatting.format_magnitude(task.metric, end)
    unit = "" if formatting.display_unit(task.metric) else f" {formatting.metric_label(task.metric)}"
    relative = not formatting.display_unit(task.metric) and all(one.relative_percent is not None for one in task.arms.values())
    percent = formatting.format_share(abs(end), abs(task.single[0])) if relative else ""
    share = f" ({percent})" if percent else ""
    if end >= 0:
        return f"{name} {'still gains' if worst else 'gains'} {size}{unit}{share}"
    return f"{name} {'loses' if worst else 'still loses'} {size}{unit}{share}"


def cost_sentence(advice: Advice, tasks: int, known: Circumstances) -> str:
    """Say what training together saves or costs, and what that counts.

    Args:
        advice: The advice.
        tasks: Number of tasks.
        known: What is known beside the verdict.
    """
    joint = known.joint_networks
    networks = f"{'one network' if joint == 1 else f'{joint} networks'} instead of {tasks}"
    sizes = []
    if known.joint is not None and known.single is not None:
        for name, of_joint, of_single in (
            ("parameters", known.joint.parameters, known.single.parameters),
            ("multiply-adds", known.joint.multiply_adds, known.single.multiply_adds),
        ):
            together, apart = formatting.format_short_count(of_joint or 0), formatting.format_short_count(of_single or 0)
            if of_joint and of_single and together != apart:
                sizes.append(f"{together} instead of {apart} {name}")
    which = "Cost" if not advice.saved else "Saved" if advice.together else "Training together would save"
    return f"{which}: {', '.join([networks, *sizes])}; {_worth(advice, known)}."


def _worth(advice: Advice, known: Circumstances) -> str:
    if not advice.saved:
        return "counted as nothing, since it is not cheaper"
    if not advice.saving:
        return "counted as nothing, since no loss is tolerated for it"
    told = f" (--tolerate {advice.tolerance.option})" if known.joint is not None else ""  # an option of studies
    return f"counted as {advice.saving:.2g} margins per task{told}"


def _next(advice: Advice, verdict: VerdictData, known: Circumstances) -> tuple[str, int]:
    """Say how many seeds settle what is unclear, and return the fewest further ones; splits of a cross-validation cannot be added."""
    unclear = verdict.unclear(advice.arm)
    if not unclear:
        return known.finished, 0
    settles = {name: settle_record(one.power) for name, one in unclear.items() if not one.looks_disagree}
    within = {name: settle for name, settle in settles.items() if settle is not None and settle.seeds is not None}
    which = join_names(tuple(unclear)) if len(unclear) <= MOST_TASKS else f"{len(unclear)} unclear claims"
    if not within:
        return f"More {'splits' if verdict.resampled else 'seeds'} would not settle {which}.", 0
    every = len(within) == len(unclear)
    name, settle = (max if every else min)(within.items(), key=lambda pair: pair[1].seeds or 0)
    others = [name for name in unclear if name not in within]
    beyond = "" if every else f" More {'splits' if verdict.resampled else 'seeds'} would not settle {join_names(others)}."
    if verdict.resampled:
        return f"To settle {which if every else name}: a new cross-validation with {seeds_text(settle)} splits in all.{beyond}", 0
    more = (settle.seeds or 0) - len(verdict.seeds)
    return f"To settle {which if every else name}: {seeds_text(settle)} seeds in all, {more} or more of them new.{beyond}", more
