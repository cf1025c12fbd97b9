"""Sums over the processes that hold parts of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, final

import torch
from torch import Tensor
from torch import distributed as dist

from polytask.errors import ConfigError


class Communicator(Protocol):
    """Exchange tensors with the processes that hold parts of a step. All processes get the same bits."""

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
        """Bytes that this process has handed to others since it started."""

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the sum of `values` over all processes."""

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return per flag whether it is set in any process."""

    def reduce_scatter(self, rows: Tensor) -> Tensor:
        """Return this process's share (T, S) of the columns of rows (T, P), summed over all processes; zeros pad the last share."""

    def all_gather(self, share: Tensor) -> Tensor:
        """Return all shares (…, S) one after the other (…, S · processes)."""


@final
class SingleProcess:
    """The communicator of a process without others: every sum is its own part."""

    rank, processes, bytes_sent = 0, 1, 0
    distributed = False

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the values themselves."""
        return values

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return the flags themselves."""
        return list(flags)

    def reduce_scatter(self, rows: Tensor) -> Tensor:
        """Return all columns."""
        return rows

    def all_gather(self, share: Tensor) -> Tensor:
        """Return the share itself."""
        return share


@final
class ProcessGroupCommunicator:
    """The communicator of a `torch.distributed` group.

    With R processes, T tasks and P shared parameters, a process sends per step, by the ring algorithms that backends use:
    rows by reduce-scatter, T·P·(R−1)/R numbers; the Gramian by all-reduce, 2·T²·(R−1)/R; the direction by all-gather,
    P·(R−1)/R. `bytes_sent` counts them.

    Args:
        group: The process group.
    """

    distributed = True

    def __init__(self, group: dist.ProcessGroup) -> None:
        self.group = group
        self.rank, self.processes = dist.get_rank(group), dist.get_world_size(group)
        self.bytes_sent = 0

    def all_reduce(self, values: Tensor) -> Tensor:
        """Sum by one all-reduce."""
        summed = values.detach().clone()
        dist.all_reduce(summed, group=self.group)
        self._count(summed, 2)
        return summed

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Combine the flags by one small all-reduce."""
        return (self.all_reduce(torch.tensor(flags, dtype=torch.float32)) > 0).tolist() if flags else []

    def reduce_scatter(self, rows: Tensor) -> Tensor:
        """Sum and divide by one reduce-scatter."""
        width = -(-rows.shape[1] // self.processes)
        padded = rows.new_zeros(len(rows), width * self.processes)
        padded[:, : rows.shape[1]] = rows
        shares = [share.contiguous() for share in torch.split(padded, width, dim=1)]
        own = rows.new_empty(len(rows), width)
        dist.reduce_scatter(own, shares, group=self.group)
        self._count(padded, 1)
        return own

    def all_gather(self, share: Tensor) -> Tensor:
        """Join the shares by one all-gather."""
        shares = [torch.empty_like(share) for _ in range(self.processes)]
        dist.all_gather(shares, share.contiguous(), group=self.group)
        whole = torch.cat(shares, dim=-1)
        self._count(whole, 1)
        return whole

    def _count(self, values: Tensor, times: int) -> None:
        self.bytes_sent += times * values.numel() * values.element_size() * (self.processes - 1) // self.processes


def synchronize(communicator: Communicator, *, failed: bool) -> None:
    """Wait until all processes have come this far; if one of them has failed, none goes on.

    Args:
        communicator: The processes.
        failed: Whether this one has met a problem, which it raises itself afterwards.

    Raises:
        ConfigError: Another process has met a problem.
    """
    if not communicator.distributed:
        return
    (anywhere,) = communicator.any([failed])
    if anywhere and not failed:
        raise peer_failure()


def peer_failure() -> ConfigError:
    """Return the error for a process that has no problem of its own."""
    return ConfigError("another process could not take its losses", where="group", remedy="See its own message")


def communicator_of(group: dist.ProcessGroup | None) -> Communicator:
    """Return the communicator of a process group, or that of a single process."""
    return SingleProcess() if group is None else ProcessGroupCommunicator(group)
