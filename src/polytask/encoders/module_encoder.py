"""Encoder made from any PyTorch module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from polytask.encoders.encoder import Encoder
from polytask.encoders.evaluation_mode import eval_mode
from polytask.errors import ConfigError
from polytask.registry.resolve import described


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


class MadeEncoder(Encoder):
    """Base class of encoders around the modules that a user's class or function makes.

    The function is called with the options of the encoder, and with `input_shape` if it has an argument of this name. Its modules keep
    the values with which they are made, under every initialization; PyTorch's global random generator is seeded for the call.

    Args:
        input_shape: Shape of one input.
        **options: Arguments of the class or function.

    Raises:
        ConfigError: It does not make a module, or the module is no encoder of such inputs.

    Example:
        >>> trunk = MadeEncoder.of(nn.Linear)((3,), in_features=3, out_features=8)
        >>> trunk.features
        8
    """

    make: ClassVar[Callable[..., Any]]

    def __init__(self, input_shape: tuple[int, ...], **options: Any) -> None:  # noqa: ANN401 - whatever the function takes
        super().__init__()
        told = {"input_shape": tuple(input_shape)} if "input_shape" in inspect.signature(self.make).parameters else {}
        module = self.make(**told, **options)
        if not isinstance(module, nn.Module):
            raise ConfigError("the function must return a torch.nn.Module", where=f"encoder {type(self).__name__}", found=described(module))
        for part in module.modules():
            part.keeps_pretrained_weights = True  # type: ignore[assignment]
        self.wrapped = ModuleEncoder(module, input_shape)
        self.input_shape, self.features = self.wrapped.input_shape, self.wrapped.features

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """The module, then the flattening."""
        return self.wrapped.stages

    @classmethod
    def of(cls, make: Callable[..., Any]) -> type[MadeEncoder]:
        """Return the encoder class of a function, or of a class of modules; it has the same name and import path."""
        shape = inspect.Parameter("input_shape", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        own = [parameter for name, parameter in inspect.signature(make).parameters.items() if name != "input_shape"]
        named = {name: getattr(make, name) for name in ("__module__", "__qualname__", "__doc__")}
        made: type[MadeEncoder] = type(make.__name__, (cls,), {"make": staticmethod(make), **named})
        keywords = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]
        others = [one for one in own if one.kind is one.VAR_KEYWORD]
        made.__signature__ = inspect.Signature([shape, *keywords, *others])  # type: ignore[attr-defined]
        return made
