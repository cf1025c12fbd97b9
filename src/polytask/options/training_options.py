"""Options for training a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from polytask.options.base import OptionModel
from polytask.options.cli_option import Flag
from polytask.options.validation_errors import checked
from polytask.options.values.component_names import DeviceName, SamplerName
from polytask.options.values.limits import MOST_EPOCHS, MOST_PARTS, MOST_ROWS, MOST_THREADS
from polytask.options.values.weight_schedule import WeightSchedule

Policy = Literal["first", "any", "all", "mean"]

LEFT_OPEN: Mapping[str, str | None] = {"validation_fraction": None, "precision": "auto", "threads": None}
"""Options that are resolved when a run starts, with the value that means "not chosen yet"."""
FUNCTION_TRAINING = ("epochs", "non_finite", *LEFT_OPEN)
"""Options that a training function of the user is told, or that have no effect on it."""

_BASIC, _OPTIMIZER = "Training", "Optimizer"
_TASKS = "Single tasks"
_STOPPING, _START, _MACHINE = "Averaging and early stopping", "Initial weights and freezing", "Hardware"


class TrainingOptions(OptionModel):
    """Options of a training run; passing the resolved options again repeats the run.

    Example:
        >>> TrainingOptions(epochs=5).batch_size
        256
    """

    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS, description="Train for at most this many epochs."), Flag(_BASIC)] = 30
    batch_size: Annotated[
        int, Field(ge=1, le=MOST_ROWS, description="Number of rows per training step, over all sources together."), Flag(_BASIC)
    ] = 256
    sampling: Annotated[
        SamplerName,
        Field(
            description="How a step draws rows from several sources: in proportion to their sizes (proportional), at random with "
            "probabilities set by a temperature (temperature) or with equal ones (uniform), from one source after the other (round-robin), "
            "or with your own sampler."
        ),
        Flag(_BASIC),
    ] = "proportional"
    temperature: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Temperature T for temperature sampling: a source is drawn with probability ∝ rows^(1/T).",
        ),
        Flag(_BASIC),
    ] = 2.0
    steps_per_epoch: Annotated[
        int | None,
        Field(
            ge=1,
            le=MOST_ROWS,
            description="Number of steps per epoch. By default, an epoch ends when the largest source has been seen once.",
        ),
        Flag(_BASIC),
    ] = None
    optimizer: Annotated[str, Field(description="Name of an optimizer class in torch.optim."), Flag(_OPTIMIZER, example="AdamW")] = "Adam"
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False, description="Learning rate."), Flag(_OPTIMIZER)] = 1e-3
    lr_multipliers: Annotated[
        dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]],
        Field(
            description="Factors of the learning rate for parts of the network. A part is the beginning of parameter names, `task:NAME` "
            "for the parameters that only one task reaches, or `trunk` for shared parameters; the most specific part applies."
        ),
        Flag(_OPTIMIZER, example="trunk=0.1"),
    ] = Field(default_factory=dict)
    layer_decay: Annotated[
        float,
        Field(gt=0, le=1, description="Factor of the learning rate from each block of the encoder to the block below it."),
        Flag(_OPTIMIZER),
    ] = 1.0
    optimizer_options: Annotated[dict[str, Any], Field(description="Other arguments of the optimizer.")] = Field(default_factory=dict)
    scheduler: Annotated[
        str | None,
        Field(description="Name of a class in torch.optim.lr_scheduler. By default, the learning rate is constant."),
        Flag(_OPTIMIZER),
    ] = None
    scheduler_options: Annotated[dict[str, Any], Field(description="Arguments of the scheduler.")] = Field(default_factory=dict)
    scheduler_interval: Annotated[
        Literal["epoch", "step"], Field(description="When the scheduler advances: after every epoch or every step."), Flag(_OPTIMIZER)
    ] = "epoch"
    max_grad_norm: Annotated[
        float | None,
        Field(gt=0, description="Clip the gradient to this norm, taken over all parameters."),
        Flag(_OPTIMIZER, default="no clipping"),
    ] = None
    micro_batches: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_PARTS,
            description="Split every batch into this many parts and process them one after the other, to save memory.",
        ),
        Flag(_OPTIMIZER),
    ] = 1
    non_finite: Annotated[
        Literal["raise", "drop", "skip", "end"],
        Field(
            description="What to do in a step in which a loss or gradient is NaN or infinite: stop with an error (raise), train without "
            "that task in the step (drop), leave the step out (skip), or end training and keep an earlier epoch, with an error only in the "
            "first epoch (end; the default of studies). The error names the task, the source and the rows."
        ),
        Flag(_OPTIMIZER),
    ] = "raise"
    non_finite_limit: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_ROWS,
            description="Largest number of steps in a row that may be dropped or skipped; after more of them, training stops.",
        ),
        Flag(_OPTIMIZER),
    ] = 10
    unsolved: Annotated[
        Literal["skip", "sum", "last"],
        Field(
            description="What to do in a step in which the balancer's condition has no solution: give shared parameters no gradient "
            "(skip), the plain sum of the gradients (sum), or their sum with the weights of the last solution (last)."
        ),
        Flag(_OPTIMIZER),
    ] = "skip"
    averaging: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Horizon, in epochs, of the exponential moving average of the weights, which is what is validated and kept; null "
            "validates and keeps the weights themselves.",
        ),
        Flag(_STOPPING),
    ] = 3.0
    keep: Annotated[
        Literal["best", "last"],
        Field(
            description="Which epoch to keep: the best on validation data, with early stopping (best), or that after the given number of "
            "epochs, so that nothing is selected on validation data (last)."
        ),
        Flag(_STOPPING),
    ] = "best"
    monitor: Annotated[
        Policy,
        Field(
            description="What early stopping monitors: the first task, any task, all tasks, or the mean over tasks of the relative "
            "validation metric (0: trivial predictor, 1: perfect)."
        ),
        Flag(_STOPPING),
    ] = "mean"
    patience: Annotated[
        int | None,
        Field(
            ge=1,
            le=MOST_EPOCHS,
            description="Stop after this many epochs without improvement, or after patience_share of the epochs so far if that is more; "
            "null disables early stopping.",
        ),
        Flag(_STOPPING),
    ] = 5
    patience_share: Annotated[
        float,
        Field(ge=0, lt=1, description="Share of the epochs so far that must be without improvement before training stops."),
        Flag(_STOPPING),
    ] = 0.25
    min_delta: Annotated[
        float,
        Field(ge=0, description="Smallest change of the relative metric that counts as an improvement."),
        Flag(_STOPPING),
    ] = 0.0
    validation_fraction: Annotated[
        float | None,
        Field(gt=0, lt=1, description="Fraction of the training rows to hold out for validation, on which models are selected."),
        Flag(_STOPPING, default="0.2 up to 20,000 rows, else 0.1"),
    ] = None
    label_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Share of the labels of the training rows to use, drawn evenly from all classes. Rows without a used label are "
            "left out, and the number of steps stays the same. The labels of a smaller share are among those of a larger one.",
        ),
        Flag(_BASIC),
    ] = 1.0
    label_share_of: Annotated[
        tuple[str, ...],
        Field(description="Tasks of which only that share of the labels is used."),
        Flag(_BASIC, default="all tasks"),
    ] = ()
    task_starts: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=MOST_EPOCHS)]],
        Field(
            description="Epoch, from 1, in which tasks start; before it, their labels are not used. Training does not stop, and no epoch "
            "is chosen, before all tasks have started."
        ),
        Flag(_TASKS, example="depth=5"),
    ] = Field(default_factory=dict)
    task_patience: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=MOST_EPOCHS)]],
        Field(
            description="Freeze a task after this many epochs without improvement of its own validation metric (or patience_share of the "
            "epochs so far, if that is more): its labels are no longer used, and the parameters that only it reaches stay as they are."
        ),
        Flag(_TASKS, example="depth=3"),
    ] = Field(default_factory=dict)
    task_weights: Annotated[
        dict[str, WeightSchedule],
        Field(
            description="Factor of a task's loss: a number, or its values in some epochs, between which it is linear. In an epoch with "
            "factor 0 the labels of the task are not used."
        ),
        Flag(_TASKS, example="depth=1:0/10:1"),
    ] = Field(default_factory=dict)
    shuffle_buffer: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_ROWS,
            description="Number of rows to shuffle together if inputs are read from files. Smaller tables are shuffled as a whole.",
        ),
        Flag(_BASIC),
    ] = 1_000_000
    initial_weights: Annotated[str | None, Field(description="Start from the weights in this safetensors file."), Flag(_START)] = None
    freeze: Annotated[
        tuple[str, ...],
        Field(description="Do not train parameters whose names begin with one of these dotted names."),
        Flag(_START, example="architecture.encoder"),
    ] = ()
    unfreeze: Annotated[
        dict[Annotated[int, Field(ge=1, le=MOST_EPOCHS)], tuple[str, ...]],
        Field(description="Frozen parts to train from an epoch on, keyed by the epoch (from 1)."),
    ] = Field(default_factory=dict)
    gradient_route: Annotated[
        Literal["sequential", "batched", "representation"],
        Field(description="How the task gradients are computed; see polytask.gradients.Backward."),
        Flag(_MACHINE),
    ] = "sequential"
    device: Annotated[
        DeviceName,
        Field(
            description="Device of the network: cpu, an accelerator such as cuda, cuda:1, xpu or mps, or auto, which is the first "
            "accelerator of the machine and the CPU where there is none."
        ),
        Flag(_MACHINE, example="auto"),
    ] = "cpu"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Field(
            description="Number format of the forward and backward pass; auto uses bfloat16 for convolutions on processors that support "
            "it, and float32 elsewhere. With float16, losses are scaled, so that small gradients are not lost."
        ),
        Flag(_MACHINE),
    ] = "auto"
    compile: Annotated[
        Literal["none", "inductor", "aot_eager", "eager"],
        Field(
            description="Backend of torch.compile for encoders while they are trained: inductor generates kernels, and needs a C++ "
            "compiler or, on an accelerator, Triton; aot_eager and eager are for the search of errors; none does not compile."
        ),
        Flag(_MACHINE),
    ] = "none"
    threads: Annotated[
        int | None,
        Field(ge=1, le=MOST_THREADS, description="Number of CPU threads per network."),
        Flag(_MACHINE, default="1 if networks fill the cores, else the faster of 1 and all"),
    ] = None
    checkpoint_seconds: Annotated[
        float,
        Field(
            ge=0,
            description="Save the training state at intervals of this many seconds, also within an epoch; 0 saves after every epoch.",
        ),
        Flag(_MACHINE),
    ] = 10.0


def make_training_options(**given: Any) -> TrainingOptions:  # noqa: ANN401 - pydantic checks them
    """Return validated training options.

    Raises:
        ConfigError: An option is unknown, or a value is outside its limits.

    Example:
        >>> make_training_options(lr=0.1).lr
        0.1
    """
    return checked(TrainingOptions, given, where="training")
