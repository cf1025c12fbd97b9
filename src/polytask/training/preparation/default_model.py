"""Networks for the inputs of the sources: the default one, and a given one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from polytask.architectures import Architecture, EncoderPlan, InputForm, ModuleNetwork, MultiTaskModel, Network, NetworkPlan
from polytask.architectures.submodule_keys import USUAL_ARCHITECTURE
from polytask.data import Source
from polytask.data.input_entries import sample_of
from polytask.encoders import Encoder
from polytask.errors import ConfigError
from polytask.registry import spelled_as
from polytask.registry.resolve import described, resolve
from polytask.tasks import Task, check_tasks
from polytask.training.preparation.fit_checks import check_network, check_takes_entries

COMMON_STEM_WIDTH = 128
"""Output width of the stems of a network whose sources have inputs of different forms."""


def plan_network(
    sources: Sequence[Source],
    encoder: str | Callable[..., nn.Module] | None = None,
    encoder_options: Mapping[str, Any] | None = None,
    architecture: str | type[Architecture] | Architecture = USUAL_ARCHITECTURE,
    hidden: Sequence[int] = (64,),
    initialization: str = "framework",
) -> NetworkPlan:
    """Return the specification of a network for the sources.

    If the inputs of all sources have the same form, one encoder takes them; otherwise each source has a stem in front of the encoder.

    Args:
        sources: Sources whose inputs the network takes.
        encoder: Name, class, or object, whose constructor call is repeated for these inputs. By default `conv` for images, `tabular` for
            tables, `text` for texts, `pretrained` for word pieces, `gru` for sequences of numbers, and `mlp` for vectors and for the
            outputs of stems.
        encoder_options: Arguments of the encoder; they take precedence over those in `encoder`.
        architecture: Architecture with its options: a name, a class or an object.
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


def make_network(
    given: nn.Module | Sequence[Task], sources: Sequence[Source], tasks: Sequence[Task] | None, seed: int, parts: Mapping[str, Any]
) -> Network:
    """Return the given network, the given module as a network, or a new network for the given tasks.

    Args:
        given: Network, module or tasks.
        sources: Sources whose inputs the network takes.
        tasks: Tasks of a module.
        seed: Root seed of a new network.
        parts: Arguments of `plan_network` for a new network.

    Raises:
        ConfigError: `given` is none of these, tasks are given twice or not at all, a network is given parts, or it does not fit.
    """
    if not isinstance(given, nn.Module):
        if tasks is not None:
            raise ConfigError("tasks are given twice", where="tasks", remedy="Give a network, or leave tasks= out")
        trunk = parts.get("encoder")
        if isinstance(trunk, nn.Module) and not isinstance(trunk, Encoder):
            rest = {name: part for name, part in parts.items() if name != "encoder"}
            return MultiTaskModel(trunk, check_tasks(given), input_shape=_common_shape(sources), seed=seed, **rest)
        return plan_network(sources, **parts).build(check_tasks(given), seed)
    if parts:
        found = ", ".join(parts)
        raise ConfigError("a network already has these parts", where="fit", found=found, remedy="Give the tasks instead of a network")
    if isinstance(given, Network):
        if tasks is not None:
            raise ConfigError("a network has its tasks already", where="tasks", found=described(given), remedy="Leave tasks= out")
        network = given
    elif tasks is None:
        remedy = "Give its tasks too: fit(module, sources, tasks=tasks)"
        raise ConfigError("a module does not tell its tasks, which are needed", where="model", found=described(given), remedy=remedy)
    else:
        named = check_tasks(tasks)
        network = ModuleNetwork(
            given, named, input_forms(source for source in sources if {task.name for task in named} & set(source.tasks))
        )
    check_network(network, sources)
    return network


def _common_shape(sources: Sequence[Source]) -> tuple[int, ...]:
    """Return the shape of the inputs of all sources.

    Raises:
        ConfigError: They differ.
    """
    for source in sources:
        check_takes_entries(None, source)
    shapes = {source.input_shape for source in sources}
    if len(shapes) > 1:
        found, remedy = ", ".join(map(str, sorted(shapes))), "Give a whole network: fit(module, sources, tasks=tasks)"
        raise ConfigError("a module as an encoder takes inputs of one shape", where="encoder", found=found, remedy=remedy)
    shape: tuple[int, ...] = shapes.pop()
    return shape


def input_forms(sources: Iterable[Source]) -> dict[str, InputForm]:
    """Return the form of the inputs of each source, by its name."""
    return {source.name: InputForm.of(source) for source in sources}


def _encoder_plan(source: Source) -> EncoderPlan:
    """Return the specification of the default encoder for a source's inputs."""
    check_takes_entries(None, source)
    _check_is_no_image(source)
    shape = source.input_shape
    facts = {} if source.preprocessor is None else dict(source.preprocessor.input_spec())
    return EncoderPlan(_default_encoder(shape, facts), shape, facts=facts)


def _check_is_no_image(source: Source) -> None:
    """Check that inputs with the axes of sequences are no images without an axis for channels, which bytes are.

    Raises:
        ConfigError: They are bytes.
    """
    if source.has_steps and sample_of(source.inputs).dtype == np.uint8:
        found, remedy = f"bytes of shape (N, {', '.join(map(str, source.input_shape))})", "Give images[:, None], or sequences as float32"
        raise ConfigError("images have the shape (N, channels, height, width)", where=f"source {source.name!r}", found=found, remedy=remedy)


def _default_encoder(shape: tuple[int, ...], facts: Mapping[str, Any]) -> str:
    if "words" in facts:
        return "text"
    if "special_tokens" in facts:
        return "pretrained"
    if "cardinalities" in facts:
        return "tabular"
    return {3: "conv", 2: "gru"}.get(len(shape), "mlp")
