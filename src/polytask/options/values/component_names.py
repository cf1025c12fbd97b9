"""Components in configurations: convert what users give to the form that files store, and find import paths in files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import BeforeValidator, WithJsonSchema

from polytask.errors import ConfigError
from polytask.registry import names
from polytask.registry.model_factories import TRAINING_FUNCTION, factory_written
from polytask.registry.parsing import import_paths_in
from polytask.registry.resolve import group_of, written
from polytask.registry.suggestion import nearest


def _written(group: str, value: Any) -> Any:  # noqa: ANN401 - pydantic validates values that are not components
    return value if value is None else written(group, value)


def kinds_written(targets: Any) -> Any:  # noqa: ANN401 - pydantic validates values that are not mappings
    """Return the targets of a table in the form that files store: a kind that is a class or a task becomes text.

    Raises:
        ConfigError: A kind is not a kind of task, or it cannot be stored.

    Example:
        >>> from polytask.tasks import Binary
        >>> kinds_written({"churn": Binary, "value": None})
        {'churn': 'binary', 'value': None}
    """
    if not isinstance(targets, Mapping):
        return targets
    kept = (str, type(None))
    return {
        name: kind if isinstance(kind, kept) else written("task kind", kind, f"targets, {str(name)!r}") for name, kind in targets.items()
    }


ARM_GROUPS = ("balancer", "baseline")
"""Groups of the components that are arms by themselves."""
PARTS = ("name", "balancer", "architecture", "encoder", "title", "options")
Written = str | Mapping[str, Any]
"""An arm in a file: the text that users write, or a mapping with its name and its parts."""


@runtime_checkable
class ArmObject(Protocol):
    """Protocol of arm objects that files can store."""

    @property
    def written(self) -> dict[str, Any]:
        """The arm as a mapping of `name` and its parts."""


def arm_written(given: Any) -> Written:  # noqa: ANN401
    """Return an arm in the form that files store: a string or a mapping is kept, an object is converted.

    Raises:
        ConfigError: The value is no arm, balancer or baseline, or it cannot be stored.

    Example:
        >>> from polytask.balancing import CAGrad
        >>> from polytask.studies.spec.arms import Arm
        >>> arm_written(CAGrad(c=0.3)), arm_written(Arm("mine", balancer=CAGrad))
        ('cagrad(c=0.3)', {'name': 'mine', 'balancer': 'cagrad'})
    """
    if isinstance(given, str):
        return given
    if isinstance(given, Mapping):
        for part in given:
            if part not in PARTS:
                raise ConfigError("unknown part of an arm", where="arms", found=repr(part), remedy=nearest(str(part), PARTS))
        if not isinstance(given.get("name"), str):
            raise ConfigError("an arm must have a name", where="arms", found=dict(given), remedy="Write {name: mine, balancer: cagrad}")
        return dict(given)
    return given.written if isinstance(given, ArmObject) else written(group_of(given, ARM_GROUPS, "arms"), given, "arms")


ARM: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                **{part: {"type": "string"} for part in ("name", "balancer", "architecture", "title")},
                "encoder": {"anyOf": [{"type": "string"}, {"type": "object"}]},
                "options": {"type": "object"},
            },
        },
    ]
}
"""JSON schema of an arm in a study file: a string, or a name with its parts."""


TABLES = "tables"
"""Word for the usual arms of a table."""
USUAL_ARMS = ("single", "equal", "linear", "linear@shared", "trees", "trees@apart", "trees@shared")
"""Arms that the word `tables` stands for."""


def expand_tables(arms: Any) -> Any:  # noqa: ANN401 - pydantic validates what is no list
    """Return a list of arms with the word `tables` replaced by the arms that it stands for, each once.

    Example:
        >>> expand_tables(["tables", "uncertainty", "equal"])[-3:]
        ['trees@apart', 'trees@shared', 'uncertainty']
    """
    if not isinstance(arms, list | tuple) or not any(isinstance(arm, str) and arm.strip() == TABLES for arm in arms):
        return arms
    found: list[object] = []
    for arm in arms:
        own: Sequence[object] = USUAL_ARMS if isinstance(arm, str) and arm.strip() == TABLES else (arm,)
        found += [one for one in own if one not in found or one not in USUAL_ARMS]
    return found


AUTO = "auto"
"""Model that is chosen out of fold among networks, trees and linear models."""
ModelName = Annotated[str, BeforeValidator(lambda given: given if given in (None, AUTO) else factory_written(given))]
TrainName = Annotated[str, BeforeValidator(lambda given: given if given is None else factory_written(given, TRAINING_FUNCTION))]
EncoderName = Annotated[str, BeforeValidator(partial(_written, "encoder"))]
ArchitectureName = Annotated[str, BeforeValidator(partial(_written, "architecture"))]
DatasetName = Annotated[str, BeforeValidator(lambda given: given if isinstance(given, str) else _written("data set", given))]
CallbackName = Annotated[str, BeforeValidator(partial(written, "callback", where="callbacks"))]
LoggerName = Annotated[str, BeforeValidator(lambda given: given if given is None else written("logger", given, "logger"))]
BalancerName = Annotated[str, BeforeValidator(arm_written)]
"""A balancer in the form of an arm, since `weights=0.2/0.8` is allowed."""
SAMPLER: dict[str, Any] = {"anyOf": [{"enum": list(names("sampler"))}, {"type": "string"}]}
"""JSON schema of a sampler: a built-in name, or a user-defined sampler with its options."""
SamplerName = Annotated[str, BeforeValidator(partial(written, "sampler", where="sampling")), WithJsonSchema(SAMPLER)]
ArmName = Annotated[str | dict[str, Any], BeforeValidator(arm_written), WithJsonSchema(ARM)]


def check_imports(config: object, where: str, *, allowed: frozenset[str] = frozenset()) -> None:
    """Reject import paths in the content of a file.

    Args:
        config: Content of the file, a mapping of names to values.
        where: Name of the file, for the error message.
        allowed: Import paths that are accepted.

    Raises:
        ConfigError: A component is given by an import path that is not in `allowed`.
    """
    for place, path in import_paths_of(config):
        if path not in allowed:
            remedy = "Allow it with --allow-imports if you trust the file (in Python: checked(..., imports=True))"
            raise ConfigError(
                "import paths in a file written by polytask are not followed",
                where=f"{where}, {place}",
                found=path,
                remedy=remedy,
            )


def import_paths_of(config: object) -> Iterator[tuple[str, str]]:
    """Yield the import paths in a configuration, each after its place."""
    if not isinstance(config, Mapping):
        return
    for place in ("source", "encoder", "architecture", "balancer"):
        yield from _paths(place, config.get(place))
    for place in ("model", "train"):
        path = config.get(place)
        if isinstance(path, str):
            yield place, path.partition("(")[0].strip()
    training = config.get("training")
    yield from _paths("training.sampling", training.get("sampling") if isinstance(training, Mapping) else None)
    yield from _paths("logger", config.get("logger"))
    for callback in _listed(config.get("callbacks")):
        yield from _paths("callbacks", callback)
    for arm in _listed(config.get("arms")):
        yield from ((f"arms, {place}", path) for place, path in import_paths_of(arm)) if isinstance(arm, Mapping) else _paths("arms", arm)
    tables = config.get("tables")
    for name, table in tables.items() if isinstance(tables, Mapping) else ():
        targets = table.get("targets") if isinstance(table, Mapping) else None
        for target, kind in targets.items() if isinstance(targets, Mapping) else ():
            yield from _paths(f"tables.{name}.targets.{target}", kind)


def _paths(place: str, value: object) -> Iterator[tuple[str, str]]:
    for part in value.split("@") if isinstance(value, str) else ():
        try:
            found = import_paths_in(part)
        except ConfigError:
            continue  # a text that cannot be parsed is rejected where it is used
        yield from ((place, path) for path in found)


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


DEVICE_NAMES = ("auto", "cpu", "cuda", "cuda:1", "xpu", "mps")
"""Names of devices, for messages."""
_FORM = re.compile(r"auto|cpu|mps|(cuda|xpu)(:\d+)?")


def device_written(given: Any) -> str:  # noqa: ANN401 - a name or a device of PyTorch
    """Return the name of a device, in the form that files store; whether the machine has it is checked where the run starts.

    Args:
        given: Name, or `torch.device`.

    Raises:
        ConfigError: There is no such kind of device.

    Example:
        >>> device_written("cuda:0")
        'cuda:0'
        >>> device_written("gpu")
        Traceback (most recent call last):
            ...
        polytask.errors.ConfigError: device: unknown device (found 'gpu'). Choose from: auto, cpu, cuda, cuda:1, xpu, mps.
    """
    name = str(given)
    if not _FORM.fullmatch(name):
        raise ConfigError("unknown device", where="device", found=repr(name), remedy=f"Choose from: {', '.join(DEVICE_NAMES)}")
    return name


DeviceName = Annotated[str, BeforeValidator(device_written)]
"""Name of a device; an object of PyTorch is stored as its name."""
