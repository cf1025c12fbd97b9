"""Which parameters a loss can reach, read off its autograd graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from polytask.errors import ConfigError

Shared = nn.Module | Mapping[str, Tensor] | Iterable[Tensor]
Leaves = tuple[Tensor, ...]

COMPILED, REENTRANT = "CompiledFunctionBackward", "CheckpointFunctionBackward"


class Reachability:
    """Find the leaves that losses can reach, and visit what their graphs have in common only once.

    Args:
        known: Leaves to leave out: the shared parameters. Nodes below which there is nothing else are passed over as soon as a second
            loss meets them.

    Attributes:
        met: Names of the nodes that need care: compiled functions and reentrant checkpoints.

    Example:
        >>> import torch
        >>> trunk, head = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        >>> [leaf is head for leaf in Reachability(known=[trunk]).leaves((trunk * head).sum())]
        [True]
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        self._known = {id(leaf) for leaf in known}
        self._below: dict[Any, Leaves] = {}
        self.met: set[str] = set()

    def leaves(self, loss: Tensor) -> list[Tensor]:
        """Return the leaves that require a gradient, each once, in the order of a depth-first walk."""
        if loss.grad_fn is None:
            return [loss] if loss.requires_grad and id(loss) not in self._known else []
        # Without recursion, since graphs are deeper than Python's stack. A node is met twice: on the way down, when its parents are put on
        # the stack, and again after all of them, when what lies below it is known.
        waiting: list[tuple[Any, bool]] = [(loss.grad_fn, False)]
        while waiting:
            node, done = waiting.pop()
            if done:
                self._below[node] = self._gather(node)
            elif node not in self._below:
                self._below[node] = ()  # a graph has no circles; this only keeps a node from waiting twice
                waiting.append((node, True))
                waiting.extend((parent, False) for parent, _ in reversed(node.next_functions) if parent is not None)
        return list(self._below[loss.grad_fn])

    def _gather(self, node: Any) -> Leaves:  # noqa: ANN401 - autograd's nodes have no public type
        name = node.name()
        if name in (COMPILED, REENTRANT):
            self.met.add(name)
        variable = getattr(node, "variable", None)  # only the nodes that accumulate into a leaf have one
        if isinstance(variable, Tensor):
            return () if id(variable) in self._known else (variable,)
        found: dict[int, Tensor] = {}
        for parent, _ in node.next_functions:
            if parent is not None:
                found.update((id(leaf), leaf) for leaf in self._below[parent])
        return tuple(found.values())

    def private_leaves(self, losses: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
        """Return per task the leaves of its loss, in graphs that can be walked task by task.

        Raises:
            ConfigError: There is a reentrant checkpoint among their nodes.
        """
        found = {task: self.leaves(loss) for task, loss in losses.items()}
        if REENTRANT in self.met:
            raise reentrant_checkpoint()
        return found


def reentrant_checkpoint() -> ConfigError:
    """Return the error for a graph with a reentrant checkpoint, which gives no single gradients."""
    remedy = "Use torch.utils.checkpoint.checkpoint(…, use_reentrant=False)"
    return ConfigError("reentrant activation checkpoints cannot be walked task by task", where="checkpoint", remedy=remedy)


def reached(loss: Tensor) -> list[Tensor]:
    """Return the leaves that require a gradient in the graph of `loss`, each once, in the order of a depth-first walk.

    Example:
        >>> import torch
        >>> weight = torch.ones(2, requires_grad=True)
        >>> reached((weight * 3).sum())[0] is weight
        True
    """
    return Reachability().leaves(loss)


def named_shared(shared: Shared) -> dict[str, Tensor]:
    """Return the trainable parameters of a module, or of named or unnamed tensors; unnamed ones are called by their number.

    Raises:
        ConfigError: There is something else among them, or one twice.
    """
    if isinstance(shared, nn.Module):
        given: dict[str, Any] = dict(shared.named_parameters())
    elif isinstance(shared, Mapping):
        given = dict(shared)
    else:
        given = {str(number): parameter for number, parameter in enumerate(shared)}
    foreign = [type(parameter).__name__ for parameter in given.values() if not isinstance(parameter, Tensor)]
    if foreign:
        raise ConfigError("shared parameters are a module or tensors", where="shared", found=foreign[0])
    trained = {name: parameter for name, parameter in given.items() if parameter.requires_grad}
    if len({id(parameter) for parameter in trained.values()}) < len(trained):
        raise ConfigError("a parameter is named twice", where="shared", remedy="Name each of the shared parameters once")
    return trained


def found_shared(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters that more than one of these losses can reach, called by their number.

    Raises:
        ConfigError: A compiled function hides which parameter belongs to which task.
    """
    reachability = Reachability()
    leaves = [reachability.leaves(loss) for loss in losses.values()]
    if COMPILED in reachability.met:
        remedy = "Name the shared parameters (shared=)"
        raise ConfigError("which parameters are shared cannot be read off a compiled model", where="shared", remedy=remedy)
    times: dict[int, int] = {}
    for leaf in (leaf for found in leaves for leaf in found):
        times[id(leaf)] = times.get(id(leaf), 0) + 1
    unique = {id(leaf): leaf for found in leaves for leaf in found}
    return {str(number): leaf for number, leaf in enumerate(leaf for key, leaf in unique.items() if times[key] > 1)}
