"""Communication between the processes that hold parts of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, final

import torch
from torch import Tensor
from torch import distributed as dist

from polytask.errors import ConfigError


class Communicator(Protocol):
    """Protocol of tensor exchange between the processes that hold parts of a step; all processes get bitwise equal results."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""

    @property
    def processes(self) -> int:
        """Number of processes."""

    @property
    def distributed(self) -> bool:
        """Whether there are other processes."""

    @property
    def bytes_sent(self) -> int:
        """Number of bytes that this process has sent to others since it started."""

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the sum of `values` over all processes."""

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return for every flag whether it is set in any process."""

    def reduce_scatter(self, rows: Tensor) -> Tensor:
        """Return this process's share (T, S) of the columns of rows (T, P), summed over all processes; zeros pad the last share."""

    def all_gather(self, share: Tensor) -> Tensor:
        """Return the concatenated shares (…, S · processes) of all processes, each of shape (…, S)."""


@final
class SingleProcess:
    """Communicator of a single process, which returns its arguments."""

    rank, processes, bytes_sent = 0, 1, 0
    distributed = False

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the values unchanged."""
        return values

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return the flags unchanged."""
        return list(flags)

    def reduce_scatter(self, rows: Tensor) -> Tensor:
        """Return all columns unchanged."""
        return rows

    def all_gather(self, share: Tensor) -> Tensor:
        """Return the share unchanged."""
        return share


@final
class ProcessGroupCommunicator:
    """Communicator of a `torch.distributed` process group.

    With R processes, T tasks and P shared parameters, the ring algorithms of the backends send per process and step:
    rows by reduce-scatter, T·P·(R−1)/R numbers; the Gramian by all-reduce, 2·T²·(R−1)/R; the direction by all-gather,
    P·(R−1)/R. `bytes_sent` counts them.

    Args:
        group: Process group.
    """

    distributed = True

    def __init__(self, group: dist.ProcessGroup) -> None:
        self.group = group
        self.rank, self.processes = dist.get_rank(group), dist.get_world_size(group)
        self.bytes_sent = 0

    def all_reduce(self, values: Tensor) -> Tensor:
        """Sum the values by one all-reduce."""
        summed = values.detach().clone()
        dist.all_reduce(summed, group=self.group)
        self._count(summed, 2)
        return summed

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Combine the flags by one small all-reduce."""
        return (self.all_reduce(torch.tensor(flags, dtype=torch.float32)) > 0).tolist() if flags else []

    def reduce_scatter(self, rows: Tensor) -> Tensor:
        """Sum the rows and split their columns by one reduce-scatter."""
        width = -(-rows.shape[1] // self.processes)
        padded = rows.new_zeros(len(rows), width * self.processes)
        padded[:, : rows.shape[1]] = rows
        shares = [share.contiguous() for share in torch.split(padded, width, dim=1)]
        own = rows.new_empty(len(rows), width)
        dist.reduce_scatter(own, shares, group=self.group)
        self._count(padded, 1)
        return own

    def all_gather(self, share: Tensor) -> Tensor:
        """Concatenate the shares by one all-gather."""
        shares = [torch.empty_like(share) for _ in range(self.processes)]
        dist.all_gather(shares, share.contiguous(), group=self.group)
        whole = torch.cat(shares, dim=-1)
        self._count(whole, 1)
        return whole

    def _count(self, values: Tensor, times: int) -> None:
        self.bytes_sent += times * values.numel() * values.element_size() * (self.processes - 1) // self.processes


def synchronize(communicator: Communicator, *, failed: bool) -> None:
    """Wait until all processes reach this point; if one of them has failed, raise an error in the others.

    Args:
        communicator: Communicator of the processes.
        failed: Whether this process has failed; it then raises its own error afterwards.

    Raises:
        ConfigError: Another process has failed.
    """
    if not communicator.distributed:
        return
    (anywhere,) = communicator.any([failed])
    if anywhere and not failed:
        raise peer_failure()


def peer_failure() -> ConfigError:
    """Return the error for a process that stops because another one has failed."""
    return ConfigError("another process failed in this step", where="group", remedy="See the error message of that process")


def communicator_of(group: dist.ProcessGroup | None) -> Communicator:
    """Return the communicator of a process group, or of a single process if `group` is `None`."""
    return SingleProcess() if group is None else ProcessGroupCommunicator(group)
