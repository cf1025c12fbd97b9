"""Encoder made from any PyTorch module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from polytask.encoders.encoder import Encoder
from polytask.encoders.evaluation_mode import eval_mode
from polytask.errors import ConfigError


@final
class ModuleEncoder(Encoder):
    """Wraps a PyTorch module, pretrained or not, as an encoder whose features are the module's flattened output.

    `MultiTaskModel` keeps the parameters of the module unless an initialization is named.

    Args:
        module: Module that maps inputs `(N, *input_shape)` to a tensor (N, ...).
        input_shape: Shape of one input.
        stages: Consecutive pieces of the module, for architectures that work between them; by default, the module is the only stage.

    Raises:
        ConfigError: The module does not accept such inputs, does not return one tensor with a row per input, or differs from its
            stages applied one after the other.

    Example:
        >>> ModuleEncoder(nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU()), (2, 10)).features
        32
    """

    def __init__(self, module: nn.Module, input_shape: tuple[int, ...], stages: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.module, self.input_shape = module, tuple(input_shape)
        self._stages = tuple(stages) or (module,)
        self.flatten = nn.Flatten()
        first = self._tried(module)
        if not isinstance(first, Tensor) or first.dim() < 2 or len(first) != 2:
            found = f"{type(first).__name__}" if not isinstance(first, Tensor) else f"a tensor of shape {tuple(first.shape)} for 2 inputs"
            raise ConfigError("an encoder must return one tensor with a row per input", where="encoder", found=found)
        again = self._tried(nn.Sequential(*stages)) if stages else first
        if not isinstance(again, Tensor) or not torch.equal(first, again):
            raise ConfigError("the stages, one after the other, must give the output of the module", where="encoder, stages")
        self.features = int(first[0].numel())

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Given pieces of the module, then the flattening."""
        return (*self._stages, self.flatten)

    def _tried(self, module: nn.Module) -> object:
        """Return the output for two random rows, without changing the module or the global random state."""
        random = torch.Generator().manual_seed(0)
        try:
            with eval_mode(module), torch.no_grad():
                return module(torch.randn(2, *self.input_shape, generator=random))
        except (RuntimeError, TypeError, ValueError) as error:
            found = str(error).partition("\n")[0]
            raise ConfigError(
                "the module does not accept inputs of this shape", where=f"encoder, inputs {self.input_shape}", found=found
            ) from None
