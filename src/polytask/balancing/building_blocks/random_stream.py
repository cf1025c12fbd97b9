"""Seeded stream of random numbers that is part of a balancer's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from polytask.errors import ConfigError


class RandomStream:
    """Random generator that is independent of PyTorch's global one, identical on all processes, and serializable.

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
        """Restart the stream from this seed."""
        self._generator.manual_seed(seed & ((1 << 63) - 1))

    def uniform(self, *shape: int) -> Tensor:
        """Draw float64 numbers uniformly from [0, 1)."""
        return torch.rand(*shape, generator=self._generator, dtype=torch.float64)

    def normal(self, *shape: int) -> Tensor:
        """Draw float64 numbers from N(0, 1)."""
        return torch.randn(*shape, generator=self._generator, dtype=torch.float64)

    def exponential(self, *shape: int) -> Tensor:
        """Draw float64 numbers from Exp(1)."""
        return torch.empty(*shape, dtype=torch.float64).exponential_(generator=self._generator)

    def order(self, count: int) -> list[int]:
        """Draw a random permutation of 0 … count − 1."""
        return torch.randperm(count, generator=self._generator).tolist()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the generator's state."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`.

        Raises:
            ConfigError: The state is not that of a generator.
        """
        try:
            self._generator.set_state(state["generator"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise ConfigError("the state of a random generator is needed", where="generator", found=error) from None
