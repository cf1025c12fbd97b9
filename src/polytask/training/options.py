"""How a network is trained: every choice, with its default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from polytask.errors import ConfigError, PolytaskError
from polytask.registry import names
from polytask.registry.resolve import written
from polytask.registry.suggestion import nearest

Policy = Literal["first", "any", "all", "mean"]

SAMPLER: dict[str, Any] = {"anyOf": [{"enum": list(names("sampler"))}, {"type": "string"}]}
"""As files name a sampler: one that ships, or one of the user's with its options."""
SamplerName = Annotated[str, BeforeValidator(partial(written, "sampler", where="sampling")), WithJsonSchema(SAMPLER)]

LEFT_OPEN: Mapping[str, str | None] = {"validation": None, "precision": "auto", "threads": None}
"""The options that are filled in when a run begins, and what stands there before."""


class TrainingOptions(BaseModel):
    """Every choice of a training run; feeding the resolved options back repeats the run.

    Attributes:
        epochs: The most passes through the sources; the budget.
        batch_size: Rows of a step, over all sources together.
        sampling: How often a step sees which source: in `proportional` batches, every row of a source drawn by `temperature` or, `uniform`,
            with equal chances, or one source after the other, `round-robin`; see `polytask.data.mixtures`. One of your own is named by its
            import path, or given as a class.
        temperature: T of that sampling: a source is drawn with a probability ∝ rows^(1/T).
        epoch_steps: Steps of an epoch; none: until the largest source is through once.
        optimizer: The name of a class in `torch.optim`.
        lr: Its learning rate.
        lr_factors: Per part of the network what the learning rate is multiplied with: beginnings of parameters' names, `task:name` for
            what that task alone reaches, `trunk` for what several tasks reach; the most specific counts.
        layer_decay: What the learning rate is multiplied with from one piece of the encoder to the one before it.
        optimizer_options: Its other arguments.
        schedule: The name of a class in `torch.optim.lr_scheduler`, or none.
        schedule_options: Its arguments.
        schedule_every: Whether it is stepped after every epoch or every step.
        clip: The largest norm of the gradient over all parameters, or none.
        accumulate: Micro-batches per step.
        stop: Whose validation metric must have stopped improving: that of the `first` task in the given order, of `any`
            task, of `all` tasks, or the `mean` relative metric.
        patience: For how many epochs; none trains all epochs.
        min_delta: An improvement is larger than this, in relative metric (0 trivial predictor, 1 perfect).
        validation: The share of training rows on which models are chosen; none takes 0.2 up to 20,000 rows, else 0.1.
        buffer: So many rows are shuffled together where inputs lie in files; a table with fewer is shuffled as in memory.
        weights: A safetensors file to start from, or none.
        freeze: Parts of the network that are not trained, by the beginning of their parameters' names.
        unfreeze: Per epoch, from 1, parts that are trained from then on.
        route: How a balancer's rows are obtained; see `polytask.gradients.Backward`.
        precision: Of the forward and backward pass: `auto` takes bfloat16 for convolutions where the processor has it.
        threads: Of the processor, for one network; none takes one where as many networks as cores train side by side, and
            elsewhere the faster of one and all that there are for it, as measured.
        checkpoint_seconds: How often the state is saved while training, if it is saved.

    Example:
        >>> TrainingOptions(epochs=5).batch_size
        256
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(256, ge=1)
    sampling: SamplerName = "proportional"
    temperature: float = Field(2.0, gt=0, allow_inf_nan=False)
    epoch_steps: int | None = Field(None, ge=1)
    optimizer: str = "Adam"
    lr: float = Field(1e-3, gt=0, allow_inf_nan=False)
    lr_factors: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    layer_decay: float = Field(1.0, gt=0, le=1)
    optimizer_options: dict[str, Any] = Field(default_factory=dict)
    schedule: str | None = None
    schedule_options: dict[str, Any] = Field(default_factory=dict)
    schedule_every: Literal["epoch", "step"] = "epoch"
    clip: float | None = Field(None, gt=0)
    accumulate: int = Field(1, ge=1)
    stop: Policy = "mean"
    patience: int | None = Field(5, ge=1)
    min_delta: float = Field(0.0, ge=0)
    validation: float | None = Field(None, gt=0, lt=1)
    buffer: int = Field(1_000_000, ge=1)
    weights: str | None = None
    freeze: tuple[str, ...] = ()
    unfreeze: dict[Annotated[int, Field(ge=1)], tuple[str, ...]] = Field(default_factory=dict)
    route: Literal["sequential", "batched", "representation"] = "sequential"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(None, ge=1)
    checkpoint_seconds: float = Field(10.0, ge=0)


UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}
"""What pydantic calls a name that it does not know."""
NEEDED = {
    "tuple_type": ("a list is needed", "Write it as [{}]"),
    "dict_type": ("names with values are needed", "Write it as {{{}: value}}"),
    "string_type": ("a text is needed", ""),
}
"""In our words what is needed where something else stands, and how it is written."""


def one_line(error: ValidationError, where: str, model: type[BaseModel]) -> ConfigError:
    """The first thing that pydantic found wrong with a model's values, as our own error."""
    errors = error.errors(include_url=False)
    # A name that is not known says more than the one that is missed for it.
    first = next((own for own in errors if own["type"] in UNKNOWN), errors[0])
    place = ".".join(str(part) for part in first["loc"])
    own = first.get("ctx", {}).get("error")
    if isinstance(own, PolytaskError):
        return ConfigError(own.what, where=f"{where}, {own.where}", found=own.found, remedy=own.remedy)
    if first["type"] in UNKNOWN:
        *section, name = first["loc"]
        return ConfigError("there is no such choice", where=f"{where}, {place}", remedy=_near(model, section, str(name)))
    if first["type"] == "missing":
        return ConfigError("this must be said", where=f"{where}, {place}")
    if first["type"] in NEEDED:
        what, written = NEEDED[first["type"]]
        remedy = written.format(first["input"]) if isinstance(first["input"], str) else ""
        return ConfigError(what, where=f"{where}, {place}", found=repr(first["input"]), remedy=remedy)
    more = f"; {error.error_count() - 1} more" if error.error_count() > 1 else ""
    message = first["msg"].removeprefix("Value error, ")
    found = repr(first["input"]) if place else None  # without a place it is everything
    return ConfigError(f"{message[0].lower()}{message[1:]}{more}", where=f"{where}, {place}" if place else where, found=found)


def _near(model: Any, section: Sequence[int | str], name: str) -> str:  # noqa: ANN401 - a model, a dataclass, or a mapping of such
    """What may have been meant by a name at that place of a model; also one that stands in its options of training."""
    for part in section:
        model = next(iter(get_args(model)[1:]), None) or names_in(model).get(str(part))
    known = names_in(model)
    inner = names_in(known.get("training"))
    return f"Write it under training: training.{name}" if name in inner else nearest(name, tuple(known))


def names_in(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """The names that stand in a model or a dataclass, and what is there.

    Example:
        >>> "epochs" in names_in(TrainingOptions)
        True
    """
    if is_dataclass(model):
        return {field.name: field.type for field in fields(model)}
    return {name: field.annotation for name, field in getattr(model, "model_fields", {}).items()}


def training_options(**given: Any) -> TrainingOptions:  # noqa: ANN401 - pydantic checks them
    """The options, with one line for what is wrong with them.

    Raises:
        ConfigError: An unknown option, or a value that cannot be.
    """
    try:
        return TrainingOptions(**given)
    except ValidationError as error:
        raise one_line(error, "training", TrainingOptions) from None
