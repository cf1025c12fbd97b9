"""Detection of the parameters that a loss reaches, from its autograd graph.

A node may compute several tasks together, with outputs that do not depend on the inputs of other tasks. It says so by the attribute
`branches`: per output, the numbers of those inputs that it depends on, in `next_functions`. If its first input belongs to all of them, the
attribute `branch_input` is this input. If then its attribute `take_branches` is a function, the node's backward pass calls it with the
numbers of the k outputs that have a gradient, and the gradients (k, …) of the first input that come from each of them; the input itself
gets none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from polytask.errors import ConfigError
from polytask.registry.resolve import described

Shared = nn.Module | Mapping[str, Tensor] | Iterable[Tensor]
Leaves = tuple[Tensor, ...]

Place = Any
"""A node of a graph; for a node with branches, the node with the number of an output."""

COMPILED, REENTRANT = "CompiledFunctionBackward", "CheckpointFunctionBackward"


def place_of(node: Any, output: int) -> Place:  # noqa: ANN401 - autograd's nodes have no public type
    """Return the place of an output of a node: outputs of a node without branches have the same place."""
    return (node, output) if isinstance(node, BackwardCFunction) and hasattr(node, "branches") else node


def inputs_of(place: Place) -> list[tuple[int, tuple[Any, int]]]:
    """Return the inputs on which a place depends: the number of the input, and the node and output that it comes from."""
    if type(place) is not tuple:
        return [(number, edge) for number, edge in enumerate(place.next_functions) if edge[0] is not None]
    node, output = place
    edges = node.next_functions
    return [(number, edges[number]) for number in node.branches[output] if edges[number][0] is not None]


class Reachability:
    """Find the leaves that losses reach; nodes that their graphs have in common are visited once.

    Args:
        known: Leaves to leave out: the shared parameters. Nodes that reach no other leaves are skipped when a second loss meets them.

    Attributes:
        met: Names of visited nodes that need special treatment: compiled functions and reentrant checkpoints.
        branch_inputs: Inputs that belong to all outputs of a node, by the node; only those with a graph of their own, as a frozen trunk's
            have none.

    Example:
        >>> import torch
        >>> trunk, head = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        >>> [leaf is head for leaf in Reachability(known=[trunk]).leaves((trunk * head).sum())]
        [True]
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        self._known = {id(leaf) for leaf in known}
        self._below: dict[Place, Leaves] = {}
        self.met: set[str] = set()
        self.branch_inputs: dict[Any, Tensor] = {}

    def leaves(self, loss: Tensor) -> list[Tensor]:
        """Return the leaves that require a gradient, without duplicates, in depth-first order."""
        if loss.grad_fn is None:
            return [loss] if loss.requires_grad and id(loss) not in self._known else []
        # Iterative, since graphs are deeper than Python's recursion limit. A place is popped twice: first its parents are pushed, and after
        # all of them it is popped again, when the leaves below it are known.
        root = place_of(loss.grad_fn, loss.output_nr)
        waiting: list[tuple[Place, list[Place] | None]] = [(root, None)]
        while waiting:
            place, parents = waiting.pop()
            if parents is not None:
                self._below[place] = self._gather(place, parents)
            elif place not in self._below:
                self._below[place] = ()  # graphs have no cycles; the entry only prevents that a place is pushed twice
                if type(place) is tuple:
                    parents = self._parents_in_branch(place)
                else:
                    edges = place.next_functions
                    parents = [place_of(*e) if isinstance(e[0], BackwardCFunction) else e[0] for e in edges if e[0] is not None]
                waiting.append((place, parents))
                waiting.extend((parent, None) for parent in reversed(parents))
        return list(self._below[root])

    def _parents_in_branch(self, place: Place) -> list[Place]:
        node = place[0]
        if getattr(node, "branch_input", None) is not None and node.branch_input.grad_fn is not None:
            self.branch_inputs[node] = node.branch_input
        return [place_of(*edge) for _, edge in inputs_of(place)]

    def _gather(self, place: Place, parents: Iterable[Place]) -> Leaves:
        node = place[0] if type(place) is tuple else place
        name = node.name()
        if name in (COMPILED, REENTRANT):
            self.met.add(name)
        variable = getattr(node, "variable", None)  # only nodes that accumulate into a leaf have this attribute
        if isinstance(variable, Tensor):
            return () if id(variable) in self._known else (variable,)
        found: dict[int, Tensor] = {}
        for parent in parents:
            found.update((id(leaf), leaf) for leaf in self._below[parent])
        return tuple(found.values())

    def private_leaves(self, losses: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
        """Return the leaves of every task's loss, and check that the graphs support gradients per task.

        Raises:
            ConfigError: A graph contains a reentrant checkpoint.
        """
        found = {task: self.leaves(loss) for task, loss in losses.items()}
        if REENTRANT in self.met:
            raise reentrant_checkpoint()
        return found


def reentrant_checkpoint() -> ConfigError:
    """Return the error for a graph with a reentrant checkpoint, which does not support `torch.autograd.grad`."""
    remedy = "Use torch.utils.checkpoint.checkpoint(…, use_reentrant=False)"
    return ConfigError("reentrant activation checkpoints do not support gradients per task", where="checkpoint", remedy=remedy)


def reached(loss: Tensor) -> list[Tensor]:
    """Return the leaves that require a gradient in the graph of `loss`, without duplicates, in depth-first order.

    Example:
        >>> import torch
        >>> weight = torch.ones(2, requires_grad=True)
        >>> reached((weight * 3).sum())[0] is weight
        True
    """
    return Reachability().leaves(loss)


def named_shared(shared: Shared, model: nn.Module | None = None) -> dict[str, Tensor]:
    """Return the trainable parameters of a module, or of named or unnamed tensors; unnamed ones are named by their number.

    Args:
        shared: The module or the tensors.
        model: The whole network, if it is known.

    Raises:
        ConfigError: An entry is no parameter, a parameter occurs twice, or none is one of the network.
    """
    if isinstance(shared, nn.Module):
        given: dict[str, Any] = dict(shared.named_parameters())
    elif isinstance(shared, Tensor):
        given = {"0": shared}
    elif isinstance(shared, Mapping):
        given = dict(shared)
    elif isinstance(shared, Iterable):
        given = {str(number): parameter for number, parameter in enumerate(shared)}
    else:
        raise ConfigError("shared parameters must be a module or tensors", where="shared", found=described(shared))
    foreign = [type(parameter).__name__ for parameter in given.values() if not isinstance(parameter, Tensor)]
    if foreign:
        remedy = "Pass module, module.parameters() or dict(module.named_parameters()), of one module"
        raise ConfigError("shared parameters must be a module or tensors", where="shared", found=foreign[0], remedy=remedy)
    trained = {name: parameter for name, parameter in given.items() if parameter.requires_grad}
    if given and not trained and not any(isinstance(parameter, nn.Parameter) for parameter in given.values()):
        remedy = "Pass the parameters of the network itself, which state_dict() and detach() do not return"
        raise ConfigError("shared tensors must be trainable", where="shared", found="tensors that require no gradient", remedy=remedy)
    for name, parameter in trained.items():
        if not parameter.is_leaf or parameter.is_complex():
            found = "a complex one" if parameter.is_complex() else "the result of a computation"
            raise ConfigError("shared tensors must be real parameters", where=f"shared, entry {name!r}", found=found)
    if len({id(parameter) for parameter in trained.values()}) < len(trained):
        raise ConfigError("shared parameters must be unique", where="shared", remedy="Pass every parameter once")
    _check_belongs(trained, model)
    return trained


def _check_belongs(shared: Mapping[str, Tensor], model: nn.Module | None) -> None:
    own = set() if model is None else {id(parameter) for parameter in model.parameters()}
    if own and shared and not any(id(parameter) in own for parameter in shared.values()):
        remedy = "Pass parameters of the model itself; a copy or a reloaded network has other ones"
        raise ConfigError("no shared parameter is one of the model", where="shared", found=f"{len(shared)} others", remedy=remedy)


def found_shared(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters that more than one of these losses reach, named by their number.

    Raises:
        ConfigError: A graph contains a compiled function, which hides which parameters a task reaches.
    """
    reachability = Reachability()
    leaves = [reachability.leaves(loss) for loss in losses.values()]
    if COMPILED in reachability.met:
        remedy = "Pass the shared parameters (shared=)"
        raise ConfigError("shared parameters cannot be found in the graph of a compiled model", where="shared", remedy=remedy)
    times: dict[int, int] = {}
    for leaf in (leaf for found in leaves for leaf in found):
        times[id(leaf)] = times.get(id(leaf), 0) + 1
    unique = {id(leaf): leaf for found in leaves for leaf in found}
    return {str(number): leaf for number, leaf in enumerate(leaf for key, leaf in unique.items() if times[key] > 1)}
