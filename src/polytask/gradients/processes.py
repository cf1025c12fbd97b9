"""What several processes tell each other in a step; a process alone tells nobody anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, final

import torch
from torch import Tensor
from torch import distributed as dist

from polytask.errors import ConfigError


class Traffic(Protocol):
    """Sums over the processes that hold parts of a step. The answers are the same bits in every process."""

    @property
    def number(self) -> int:
        """Which of the processes this is, from 0 up."""

    @property
    def processes(self) -> int:
        """How many there are."""

    @property
    def sent(self) -> int:
        """Bytes that this process has handed to others since it started."""

    def total(self, values: Tensor) -> Tensor:
        """The sum of `values` over all processes."""

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Per flag whether it is set in any process."""

    def scattered(self, rows: Tensor) -> Tensor:
        """(T, S) this process's share of the columns of rows (T, P), summed over all processes; the last share is filled with zeros."""

    def gathered(self, share: Tensor) -> Tensor:
        """(…, S · processes) all shares (…, S), one after the other."""


@final
class Alone:
    """One process: every sum is its own part."""

    number, processes, sent = 0, 1, 0

    def total(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """The flags themselves."""
        return list(flags)

    def scattered(self, rows: Tensor) -> Tensor:
        """All columns."""
        return rows

    def gathered(self, share: Tensor) -> Tensor:
        """The share itself."""
        return share


@final
class Together:
    """The processes of a `torch.distributed` group.

    With R processes, T tasks and P shared parameters, a process sends per step, by the ring algorithms that backends use:
    rows by reduce-scatter, T·P·(R−1)/R numbers; the Gramian by all-reduce, 2·T²·(R−1)/R; the direction by all-gather,
    P·(R−1)/R. `sent` counts them.

    Args:
        group: The process group.
    """

    def __init__(self, group: dist.ProcessGroup) -> None:
        self.group = group
        self.number, self.processes = dist.get_rank(group), dist.get_world_size(group)
        self.sent = 0

    def total(self, values: Tensor) -> Tensor:
        """One all-reduce."""
        summed = values.detach().clone()
        dist.all_reduce(summed, group=self.group)
        self._count(summed, 2)
        return summed

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """One small all-reduce."""
        return (self.total(torch.tensor(flags, dtype=torch.float32)) > 0).tolist() if flags else []

    def scattered(self, rows: Tensor) -> Tensor:
        """One reduce-scatter."""
        width = -(-rows.shape[1] // self.processes)
        padded = rows.new_zeros(len(rows), width * self.processes)
        padded[:, : rows.shape[1]] = rows
        shares = [share.contiguous() for share in torch.split(padded, width, dim=1)]
        own = rows.new_empty(len(rows), width)
        dist.reduce_scatter(own, shares, group=self.group)
        self._count(padded, 1)
        return own

    def gathered(self, share: Tensor) -> Tensor:
        """One all-gather."""
        shares = [torch.empty_like(share) for _ in range(self.processes)]
        dist.all_gather(shares, share.contiguous(), group=self.group)
        whole = torch.cat(shares, dim=-1)
        self._count(whole, 1)
        return whole

    def _count(self, values: Tensor, times: int) -> None:
        self.sent += times * values.numel() * values.element_size() * (self.processes - 1) // self.processes


def meet(traffic: Traffic, *, failed: bool) -> None:
    """All processes have come this far, or none of them goes on: by one very small sum.

    Args:
        traffic: The processes.
        failed: Whether this one has met a problem, which it raises itself afterwards.

    Raises:
        ConfigError: Another process has met a problem.
    """
    (anywhere,) = traffic.any([failed])
    if anywhere and not failed:
        raise another_failed()


def another_failed() -> ConfigError:
    """What is said in a process that has no problem of its own."""
    return ConfigError("another process could not take its losses", where="group", remedy="See its own message")


def traffic_of(group: dist.ProcessGroup | None) -> Traffic:
    """The traffic of a group, or of a process alone."""
    return Alone() if group is None else Together(group)
