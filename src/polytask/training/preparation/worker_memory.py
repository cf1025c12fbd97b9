"""Memory that a network takes on an accelerator, and the number of networks that are trained there at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polytask.architectures import Network
from polytask.data.sampling.merge_small_batches import with_minimum_rows
from polytask.devices import memory_limit
from polytask.options import TrainingOptions
from polytask.training.hardware import Precision
from polytask.training.inference import compute_losses
from polytask.training.preparation.prepared_data import PreparedData
from polytask.training.preparation.resident_data import resident_bytes
from polytask.training.preparation.training_sampler import make_training_sampler, minimum_rows

PROCESS_BYTES = 600 << 20
"""Bytes that the libraries of an accelerator take in each process."""
COPIES = 5
"""Numbers that training keeps per parameter: itself, its gradient, two moments of the optimizer, and the average."""
SPARE = 1.5
"""Factor of the measured bytes of a step, for results that no graph keeps and for gaps between blocks of memory."""
USABLE = 0.8
"""Share of the free memory that networks may take together."""
MOST_ON_ONE = 4
"""Largest number of networks that share a device unless the user asks for more: more of them have not been measured."""


def network_bytes(
    model: Network, data: PreparedData, options: TrainingOptions, batch_sizes: Mapping[str, int] | None, device: torch.device
) -> int:
    """Return the bytes that training takes on an accelerator: estimated for parameters, measured on the CPU for the graph of a step.

    Args:
        model: Network on the CPU.
        data: Prepared data.
        options: Training options.
        batch_sizes: Rows per source and step; `None` follows the options.
        device: The accelerator, whose memory decides which sources stay there.
    """
    parameters = sum(tensor.nbytes for tensor in model.parameters())
    rows_of_balancers = len(data.tasks) * parameters  # a gradient per task, at most
    graph = _graph_bytes(copy.deepcopy(model), data, options, batch_sizes)
    return PROCESS_BYTES + COPIES * parameters + rows_of_balancers + int(SPARE * graph) + resident_bytes(data, device)


def workers_that_fit(devices: Sequence[torch.device], need: int) -> int:
    """Return the number of networks that devices train at once: at least one each, and as many as fit into the free memory.

    Args:
        devices: Accelerators; one that does not tell its free memory trains one network.
        need: Bytes per network, as from `network_bytes`.

    Example:
        >>> workers_that_fit([torch.device("mps")], 1 << 30)
        1
    """
    limits = [memory_limit(device) for device in devices]
    return sum(1 if limit is None else min(MOST_ON_ONE, max(1, int(USABLE * limit / need))) for limit in limits)


def _graph_bytes(model: Network, data: PreparedData, options: TrainingOptions, batch_sizes: Mapping[str, int] | None) -> int:
    """Return the bytes of the tensors that the graph of the first step keeps."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    steps = make_training_sampler(data, batch_sizes, options).epoch(0, seed=0)
    rows = next(with_minimum_rows(steps, minimum_rows(model)), {})
    tasks, precision = {task.name: task for task in data.tasks}, Precision("float32", channels_last=False)
    with torch.random.fork_rng(devices=()), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses = [compute_losses(model, tasks, data.training[source].rows.take(chosen), precision) for source, chosen in rows.items()]
    del losses  # the graphs have lived until here, so that no address was used twice
    return sum(kept.values())
