"""Compilation of encoders by PyTorch, for the time of a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from polytask.encoders import Encoder
from polytask.errors import ConfigError


@contextmanager
def compiled_encoders(model: nn.Module, backend: str) -> Iterator[None]:
    """Compile the stages of all encoders of a network with `torch.compile` within the block.

    The modules stay those that they were, with their names, their states and their parameters: only the way changes in which they are
    called. At the end of the block they are called as before it. PyTorch compiles at the first call of a stage, and again for other shapes.

    Args:
        model: Network, whose architecture calls its encoders or their stages.
        backend: Backend of `torch.compile`; `none` changes nothing.

    Raises:
        ConfigError: A stage cannot be compiled.
    """
    stages = [stage for stage in _stages(model) if backend != "none"]
    if not stages:
        yield
        return
    # Imported here, since the compiler takes seconds to import.
    import torch._functorch.config
    from torch._dynamo.exc import TorchDynamoException

    before = [stage._compiled_call_impl for stage in stages]  # a user may have compiled a stage
    for stage in stages:
        stage.compile(backend=backend)
    try:
        # Balancers pass several times through a graph, whose buffers must therefore stay.
        with torch._functorch.config.patch(donated_buffer=False):
            yield
    except TorchDynamoException as error:
        found = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        remedy = "Choose another backend, such as aot_eager, or none"
        raise ConfigError("the encoder cannot be compiled", where=f"compile, backend {backend!r}", found=found, remedy=remedy) from error
    finally:
        for stage, call in zip(stages, before, strict=True):
            stage._compiled_call_impl = call


def _stages(model: nn.Module) -> list[nn.Module]:
    """Return the stages with parameters of all encoders, each once."""
    stages = [stage for module in model.modules() if isinstance(module, Encoder) for stage in module.stages]
    return list({id(stage): stage for stage in stages if any(True for _ in stage.parameters())}.values())
