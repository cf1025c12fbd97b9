"""The random numbers of a balancer: a stream of its own, seeded, and part of its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from polytask.errors import ConfigError


class RandomStream:
    """A generator that does not touch PyTorch's own, is identical on all processes, and survives the disk.

    Example:
        >>> stream, other = RandomStream(), RandomStream()
        >>> first = stream.uniform(3)
        >>> other.load_state_dict(stream.state_dict())
        >>> bool((stream.uniform(3) == other.uniform(3)).all())
        True
    """

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def seed(self, seed: int) -> None:
        """Start anew from this seed."""
        self._generator.manual_seed(seed & ((1 << 63) - 1))

    def uniform(self, *shape: int) -> Tensor:
        """float64 numbers in [0, 1)."""
        return torch.rand(*shape, generator=self._generator, dtype=torch.float64)

    def normal(self, *shape: int) -> Tensor:
        """float64 numbers of N(0, 1)."""
        return torch.randn(*shape, generator=self._generator, dtype=torch.float64)

    def exponential(self, *shape: int) -> Tensor:
        """float64 numbers of Exp(1)."""
        return torch.empty(*shape, dtype=torch.float64).exponential_(generator=self._generator)

    def order(self, count: int) -> list[int]:
        """A random order of 0 … count − 1."""
        return torch.randperm(count, generator=self._generator).tolist()

    def state_dict(self) -> dict[str, Tensor]:
        """The generator's state."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave.

        Raises:
            ConfigError: It is not the state of a generator.
        """
        try:
            self._generator.set_state(state["generator"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise ConfigError("this is not the state of a generator", where="generator", found=error) from None
