"""Which network suits the sources, where nobody says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polytask.architectures import Architecture, EncoderPlan, NetworkPlan
from polytask.architectures.module_names import USUAL_ARCHITECTURE
from polytask.data import Source
from polytask.encoders import Encoder
from polytask.registry import spelled_as
from polytask.registry.resolve import resolve

COMMON_STEM_WIDTH = 128
"""How many numbers stems give, where sources meet that have inputs of different forms."""


def plan_network(
    sources: Sequence[Source],
    encoder: str | type[Encoder] | Encoder | None = None,
    encoder_options: Mapping[str, Any] | None = None,
    architecture: str | type[Architecture] | Architecture = USUAL_ARCHITECTURE,
    hidden: Sequence[int] = (64,),
    initialization: str = "framework",
) -> NetworkPlan:
    """What a network is made of: one encoder where the inputs of all sources have one form, and else a stem for each before it.

    Args:
        sources: Whose inputs it takes.
        encoder: A name, a class or an object, of which another one is made for these inputs; none takes `conv` for images, `tabular`
            for tables, `text` for texts, `mlp` for vectors.
        encoder_options: The encoder's arguments.
        architecture: The way of sharing, with its options.
        hidden: Widths of the heads' hidden layers.
        initialization: `framework`, `glorot` or `he`.

    Example:
        >>> import numpy as np
        >>> plan_network([Source("toy", np.zeros((3, 2), "float32"), {})]).encoder
        'mlp'
    """
    plans = {source.name: _encoder_plan(source) for source in sources}
    first = next(iter(plans.values()))
    alike = all(plan == first for plan in plans.values())
    common = first if alike else EncoderPlan("mlp", (COMMON_STEM_WIDTH,))
    chosen, sharing = resolve("encoder", encoder or common.encoder), architecture
    options = {**chosen.options, **(encoder_options or {})}
    if not isinstance(sharing, str):
        found = resolve("architecture", sharing)
        sharing = spelled_as(found.name, found.options)
    rest = (options, sharing, tuple(hidden), initialization, common.facts)
    return NetworkPlan(chosen.name, common.input_shape, *rest, {} if alike else plans)


def _encoder_plan(source: Source) -> EncoderPlan:
    """The usual encoder of a source's inputs."""
    shape = tuple(int(side) for side in source.inputs.shape[1:])
    facts = {} if source.preprocessor is None else dict(source.preprocessor.input_spec())
    return EncoderPlan(_default_encoder(shape, facts), shape, facts=facts)


def _default_encoder(shape: tuple[int, ...], facts: Mapping[str, Any]) -> str:
    if "words" in facts:
        return "text"
    if "special_tokens" in facts:
        return "pretrained"
    if "cardinalities" in facts:
        return "tabular"
    return "conv" if len(shape) == 3 else "mlp"
