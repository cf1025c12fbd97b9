"""Any module as an encoder."""

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
    """A module of your own, pretrained or not, as an encoder: its output, flattened, is the features.

    `MultiTaskModel` keeps the module's numbers unless an initialization is named.

    Args:
        module: Turns inputs `(N, *input_shape)` into a tensor (N, ...).
        input_shape: The shape of one input.
        stages: The module in consecutive pieces, for ways of sharing that work between them; the module alone by default.

    Raises:
        ConfigError: The module does not take such inputs, gives something else than one tensor with a row per input, or is not its stages
            one after the other.

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
            raise ConfigError("an encoder gives one tensor with a row per input", where="encoder", found=found)
        again = self._tried(nn.Sequential(*stages)) if stages else first
        if not isinstance(again, Tensor) or not torch.equal(first, again):
            raise ConfigError("the module is not its stages one after the other", where="encoder, stages")
        self.features = int(first[0].numel())

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """The pieces that were given, and the flattening."""
        return (*self._stages, self.flatten)

    def _tried(self, module: nn.Module) -> object:
        """What comes out for two rows, without a trace in the module."""
        random = torch.Generator().manual_seed(0)
        try:
            with eval_mode(module), torch.no_grad():
                return module(torch.randn(2, *self.input_shape, generator=random))
        except (RuntimeError, TypeError, ValueError) as error:
            found = str(error).partition("\n")[0]
            raise ConfigError("the module does not take these inputs", where=f"encoder, inputs {self.input_shape}", found=found) from None
