"""How a network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from polytask.options.base import OptionModel
from polytask.options.component_names import SamplerName
from polytask.options.flag import Flag
from polytask.options.validation_errors import checked

Policy = Literal["first", "any", "all", "mean"]

LEFT_OPEN: Mapping[str, str | None] = {"validation_fraction": None, "precision": "auto", "threads": None}
"""Options that are filled in when a run begins, with the value that stands for "not chosen yet"."""

_BASIC, _OPTIMIZER = "Training", "Optimizer"
_STOPPING, _START, _MACHINE = "Early stopping", "Start of the network", "Hardware"


class TrainingOptions(OptionModel):
    """Every choice of a training run; the resolved options, given back, repeat the run.

    Example:
        >>> TrainingOptions(epochs=5).batch_size
        256
    """

    epochs: Annotated[int, Field(ge=1, description="Train for at most this many epochs."), Flag(_BASIC)] = 30
    batch_size: Annotated[int, Field(ge=1, description="Number of rows per step, over all sources together."), Flag(_BASIC)] = 256
    sampling: Annotated[
        SamplerName,
        Field(
            description="How a step draws its rows: from all sources in proportion to their rows (proportional), with probabilities that a "
            "temperature or equal chances (uniform) give, from one source after the other (round-robin), or by a sampler of your own."
        ),
        Flag(_BASIC),
    ] = "proportional"
    temperature: Annotated[
        float,
        Field(gt=0, allow_inf_nan=False, description="Temperature T of that sampling: a source has a probability ∝ rows^(1/T)."),
        Flag(_BASIC),
    ] = 2.0
    steps_per_epoch: Annotated[
        int | None,
        Field(ge=1, description="Number of steps per epoch. By default an epoch ends when the largest source has been seen once."),
        Flag(_BASIC),
    ] = None
    optimizer: Annotated[str, Field(description="Class of torch.optim."), Flag(_OPTIMIZER, example="AdamW")] = "Adam"
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False, description="Learning rate."), Flag(_OPTIMIZER)] = 1e-3
    lr_multipliers: Annotated[
        dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]],
        Field(
            description="Factors of the learning rate for parts of the network. A part is the beginning of parameter names, `task:NAME` "
            "for the parameters that one task alone reaches, or `trunk` for shared parameters; the most specific part counts."
        ),
        Flag(_OPTIMIZER, name="lr-factor", example="trunk=0.1"),
    ] = Field(default_factory=dict)
    layer_decay: Annotated[
        float,
        Field(gt=0, le=1, description="Factor of the learning rate from each block of the encoder to the block below it."),
        Flag(_OPTIMIZER),
    ] = 1.0
    optimizer_options: Annotated[dict[str, Any], Field(description="Other arguments of the optimizer.")] = Field(default_factory=dict)
    scheduler: Annotated[
        str | None, Field(description="Class of torch.optim.lr_scheduler. By default the learning rate is constant."), Flag(_OPTIMIZER)
    ] = None
    scheduler_options: Annotated[dict[str, Any], Field(description="Arguments of the scheduler.")] = Field(default_factory=dict)
    scheduler_interval: Annotated[
        Literal["epoch", "step"], Field(description="When the scheduler advances: after every epoch or every step."), Flag(_OPTIMIZER)
    ] = "epoch"
    max_grad_norm: Annotated[
        float | None,
        Field(gt=0, description="Clip the gradient to this norm over all parameters."),
        Flag(_OPTIMIZER, default="no clipping"),
    ] = None
    micro_batches: Annotated[
        int, Field(ge=1, description="Cut every batch into this many parts, one after the other, to save memory."), Flag(_OPTIMIZER)
    ] = 1
    monitor: Annotated[
        Policy,
        Field(
            description="What early stopping monitors: the metric of the first task, of any task, of all tasks, or the mean of all "
            "relative metrics."
        ),
        Flag(_STOPPING),
    ] = "mean"
    patience: Annotated[
        int | None,
        Field(ge=1, description="Stop after this many epochs without improvement; null disables early stopping."),
        Flag(_STOPPING),
    ] = 5
    min_delta: Annotated[
        float,
        Field(ge=0, description="Smallest change of the relative metric (0 trivial predictor, 1 perfect) that counts as an improvement."),
        Flag(_STOPPING),
    ] = 0.0
    validation_fraction: Annotated[
        float | None,
        Field(gt=0, lt=1, description="Fraction of the training rows on which models are chosen."),
        Flag(_STOPPING, default="0.2 up to 20,000 rows, else 0.1"),
    ] = None
    shuffle_buffer: Annotated[
        int,
        Field(ge=1, description="Number of rows that are shuffled together where inputs lie in files. Smaller tables are shuffled whole."),
        Flag(_BASIC),
    ] = 1_000_000
    initial_weights: Annotated[str | None, Field(description="Start from the weights in this safetensors file."), Flag(_START)] = None
    freeze: Annotated[
        tuple[str, ...],
        Field(description="Do not train parameters whose names begin with one of these."),
        Flag(_START, example="encoder."),
    ] = ()
    unfreeze: Annotated[
        dict[Annotated[int, Field(ge=1)], tuple[str, ...]], Field(description="Per epoch, from 1, parts that are trained from then on.")
    ] = Field(default_factory=dict)
    gradient_route: Annotated[
        Literal["sequential", "batched", "representation"],
        Field(description="How the gradients of tasks are computed; see `polytask.gradients.Backward`."),
        Flag(_MACHINE),
    ] = "sequential"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Field(description="Number format of the forward and backward pass; auto is bfloat16 for convolutions on processors that have it."),
        Flag(_MACHINE),
    ] = "auto"
    threads: Annotated[
        int | None,
        Field(ge=1, description="Number of processor threads for one network."),
        Flag(_MACHINE, default="1 where networks fill the cores; else the faster of 1 and all"),
    ] = None
    checkpoint_seconds: Annotated[float, Field(ge=0, description="Save the training state every so many seconds."), Flag(_MACHINE)] = 10.0


def make_training_options(**given: Any) -> TrainingOptions:  # noqa: ANN401 - pydantic checks them
    """Return the training options.

    Raises:
        ConfigError: An unknown option, or a value outside its limits.

    Example:
        >>> make_training_options(lr=0.1).lr
        0.1
    """
    return checked(TrainingOptions, given, where="training")
