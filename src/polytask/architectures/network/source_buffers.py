"""Buffers that forward passes write, such as running means, with one set per source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final
from urllib.parse import unquote

import torch
from torch import Tensor, nn

from polytask.architectures.submodule_keys import module_key
from polytask.devices import device_of, forked_generators
from polytask.encoders.evaluation_mode import training_modes
from polytask.errors import ConfigError

_EXCHANGE = threading.RLock()  # of the module and not of an object, since locks can be neither copied nor pickled


@final
class SourceBuffers(nn.Module):
    """Copies of a network's buffers, one set per source, which take their places in the network while it runs that source.

    Every tensor is registered in one place at a time, and none is copied or written to by an exchange: graphs that have saved a buffer
    stay valid, and moving, copying and saving a network includes the sets of all sources. The buffers that are in the network between
    forward passes are those from which the set of a new source starts.

    The keys of a state dictionary are `source_buffers.<source>.<path of the buffer>`, with `/` in place of the dots of the path. Loading
    creates the sets that the dictionary has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_create_sets)  # type: ignore[no-untyped-call]

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that have a set."""
        return tuple(unquote(key.removeprefix(module_key(""))) for key in self._modules)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths in the network of the buffers that exist once per source."""
        return tuple(dict.fromkeys(name.replace("/", ".") for own in self.children() for name in own._buffers))

    @contextmanager
    def active(self, network: nn.Module, source: str) -> Iterator[None]:
        """Let the set of a source take its places in the network during the block.

        Raises:
            ConfigError: There is no set of this source.
        """
        own = self._of(source)
        with _EXCHANGE:
            _exchange(network, own)
            try:
                yield
            finally:
                _exchange(network, own)

    def add(self, network: nn.Module, sources: Iterable[str], paths: Sequence[str]) -> None:
        """Add sets for these sources, and copies of the network's buffers with these paths to all sets that lack them."""
        paths = tuple(dict.fromkeys([*self.paths, *paths]))
        for source in dict.fromkeys([*self.sources, *sources]) if paths else ():
            if module_key(source) not in self._modules:
                self.add_module(module_key(source), nn.Module())
            own = self._of(source)
            for path in paths:
                module, name = _place(network, path)
                if _key(path) not in own._buffers:
                    own.register_buffer(_key(path), _copy(module._buffers[name]), persistent=name not in module._non_persistent_buffers_set)

    def settle(self, network: nn.Module, source: str) -> None:
        """Put the set of a source into the modules of a network for good, and remove all sets.

        Raises:
            ConfigError: There are sets, but none of this source.
        """
        if self._modules:
            _exchange(network, self._of(source))
            self._modules.clear()

    def _of(self, source: str) -> nn.Module:
        found = self._modules.get(module_key(source))
        if found is None:
            what = "the network keeps buffers, such as the statistics of batch normalization, per source, and has none of this source"
            raise ConfigError(what, where="source", found=repr(source), remedy="Give the source that the inputs are like as source=")
        return found


def shared_written_buffers(network: nn.Module, passes: Mapping[str, Callable[[], object]]) -> list[str]:
    """Return the buffers of all modules that write a buffer in the forward passes of more than one source.

    The buffers and random generators are unchanged afterwards.

    Args:
        network: Network, which is put into training mode for the passes.
        passes: Per source, a function that runs the network.

    Returns:
        Paths of the buffers in the network.
    """
    writers: dict[str, int] = {}
    with training_modes(network), forked_generators(device_of(network)), torch.no_grad():
        network.train()
        for run in passes.values():
            for path in _written_by(network, run):
                writers[path] = writers.get(path, 0) + 1
    return [
        f"{path}.{name}".lstrip(".")
        for path, module in network.named_modules()
        for name in module._buffers
        if writers.get(path, 0) > 1 and name not in _common(module)
    ]


@contextmanager
def buffers_kept(network: nn.Module) -> Iterator[None]:
    """Put copies of all buffers into a network during the block, so that the buffers themselves do not change.

    Example:
        >>> norm = nn.BatchNorm1d(1)
        >>> with buffers_kept(norm):
        ...     _ = norm(torch.tensor([[1.0], [3.0]]))
        >>> norm.running_mean
        tensor([0.])
    """
    kept = {module: dict(module._buffers) for module in network.modules()}
    try:
        for module, own in kept.items():
            module._buffers.update({name: _copy(buffer) for name, buffer in own.items()})
        yield
    finally:
        for module, own in kept.items():
            module._buffers.update(own)


def _written_by(network: nn.Module, run: Callable[[], object]) -> set[str]:
    """Return the paths of the modules that write to one of their buffers when the network runs; the buffers are restored."""
    modules = {path: module for path, module in network.named_modules() if module._buffers}
    kept = {path: dict(module._buffers) for path, module in modules.items()}
    copies = {path: {name: _copy(buffer) for name, buffer in own.items()} for path, own in kept.items()}
    versions = {path: {name: _version(copy) for name, copy in own.items()} for path, own in copies.items()}
    try:
        for path, module in modules.items():
            module._buffers.update(copies[path])
        run()
        return {
            path
            for path, module in modules.items()
            for name, after in module._buffers.items()
            if name not in _common(module)
            and (_replaced(after, copies[path].get(name), versions[path].get(name)) or not _same(after, kept[path].get(name)))
        }
    finally:
        for path, module in modules.items():
            module._buffers.update(kept[path])


def _common(module: nn.Module) -> Collection[str]:
    """Return the names of the buffers of which a module says that they do not depend on the source."""
    found: Collection[str] = getattr(module, "source_independent_buffers", ())
    return found


def _copy(buffer: Tensor | None) -> Tensor | None:
    return None if buffer is None else buffer.detach().clone()


def _replaced(after: Tensor | None, copy: Tensor | None, version: int | None) -> bool:
    """Return whether a buffer is another tensor than before, or was written to by an operation that counts as such."""
    return after is not copy or _version(after) != version


def _same(after: Tensor | None, before: Tensor | None) -> bool:
    """Return whether the values are the same; kernels such as that of batch normalization write without counting it."""
    return after is before or (after is not None and before is not None and torch.equal(after, before))


def _version(buffer: Tensor | None) -> int | None:
    return None if buffer is None else buffer._version


def _key(path: str) -> str:
    """Return the name of a buffer in a set; the name of a buffer has no dots."""
    return path.replace(".", "/")


def _place(network: nn.Module, path: str) -> tuple[nn.Module, str]:
    """Return the module that holds a buffer, and the buffer's name in it."""
    module, _, name = path.rpartition(".")
    return network.get_submodule(module), name


# Like `torch.compiler.disable`, which would import the compiler, some two seconds, wherever this module is imported.
@torch._disable_dynamo  # type: ignore[attr-defined]
def _exchange(network: nn.Module, own: nn.Module) -> None:
    for key, buffer in own._buffers.items():
        module, name = _place(network, key.replace("/", "."))
        own._buffers[key], module._buffers[name] = module._buffers[name], buffer


def _create_sets(module: nn.Module, state: Mapping[str, Any], prefix: str, *rest: object) -> None:
    """Create the sets of a state dictionary that is about to be loaded."""
    del rest
    for key in state:
        source, _, name = key.removeprefix(prefix).partition(".")
        if key.startswith(prefix) and name:
            if source not in module._modules:
                module.add_module(source, nn.Module())
            own = module._modules[source]
            if own is not None and name not in own._buffers:
                own.register_buffer(name, torch.empty_like(state[key]))
