"""Many heads of the same form on one representation, computed together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as modules

from polytask.architectures.network.task_heads import SelectSummary, SelectTokens

FEWEST_HEADS = 12
"""Smallest number of heads that are computed together; with fewer, one after the other is as fast (`benchmarks/many_heads.py`)."""

_SELECTORS = (SelectSummary, SelectTokens)
_LAYERS = (nn.Linear, nn.ReLU) * 16  # Types of the layers that `build_head` makes, in turn; the last one of a head is linear.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def apply_heads(features: Mapping[str, Tensor], heads: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Compute outputs (N, task.outputs), or (N, L, task.outputs) for tokens, of each task: its head applied to its features.

    At least twelve heads with layers of the same sizes on one representation z are computed together: with the rows of all W_t one below
    the other, the first layers are one product z Wᵀ, and further layers are one batch of products. Outputs and gradients are those of
    single heads up to round-off; the parameters stay in the heads' modules. A head whose outputs are not used gets no gradient at all.

    Heads are called one by one if they have other modules than those of `build_head`, or hooks, and within `torch.compile` and the
    transformations of `torch.func`.

    Args:
        features: Features (N, F), or (N, 1 + L, F), per task; the same tensor object where tasks share a representation.
        heads: Heads by task.

    Example:
        >>> from polytask.architectures.network.task_heads import build_head
        >>> z, heads = torch.randn(5, 3), {f"t{number}": build_head(3, 2, (4,)) for number in range(20)}
        >>> outputs = apply_heads(dict.fromkeys(heads, z), heads)
        >>> torch.allclose(outputs["t7"], heads["t7"](z), atol=1e-6)
        True
        >>> outputs["t7"].sum().backward()
        >>> [task for task, head in heads.items() if head[0].weight.grad is not None]
        ['t7']
    """
    found: dict[str, Tensor] = {}
    if not _is_traced():
        groups: dict[Hashable, list[str]] = {}
        for task, z in features.items():
            groups.setdefault(_form(heads[task], z), []).append(task)
        for form, tasks in groups.items():
            z, alike = features[tasks[0]], [heads[task] for task in tasks]
            if form is not None and len(tasks) >= FEWEST_HEADS and _same_precision([z, *alike[0].parameters()]):
                found.update(zip(tasks, _apply_together(z, alike), strict=True))
    return {task: found[task] if task in found else heads[task](z) for task, z in features.items()}


def _is_traced() -> bool:
    """Return whether something watches modules or transforms functions, so that every head has to be called."""
    return (
        torch.compiler.is_compiling()
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or bool(modules._has_any_global_hook())  # type: ignore[no-untyped-call] # PyTorch has no types here
    )


def _form(head: nn.Module, z: Tensor) -> Hashable:
    """Return what heads that are computed together have in common, or `None` for a head that is called by itself."""
    own = vars(head)
    layers = tuple(own["_modules"].values())
    selector = type(layers[0]) if layers and type(layers[0]) in _SELECTORS else None
    types = tuple(map(type, layers))[selector is not None :]
    if type(head) is not nn.Sequential or z.dim() < 2 or types != _LAYERS[: len(types)] or len(types) % 2 == 0 or _does_more(own):
        return None
    tensors: list[Tensor] = [z]
    for layer in layers:
        own = vars(layer)
        parameters = own["_parameters"]
        if list(parameters) != (["weight", "bias"] if type(layer) is nn.Linear else []) or _does_more(own):
            return None
        tensors += parameters.values()
    if any(tensor is None for tensor in tensors):  # a layer without bias
        return None
    if torch.is_grad_enabled() and any(tensor.is_inference() for tensor in tensors):
        return None
    return id(z), selector, *((tensor.shape, tensor.dtype, tensor.device) for tensor in tensors)


def _does_more(own: Mapping[str, Any]) -> bool:
    """Return whether calling a module with these attributes does more than the forward function of its class."""
    if own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"] or own["_backward_pre_hooks"]:
        return True
    return "forward" in own or own.get("_compiled_call_impl") is not None


def _same_precision(tensors: Sequence[Tensor]) -> bool:
    """Return whether all computations are in one precision; autocast casts all tensors but those in float64."""
    types = {tensor.dtype for tensor in tensors}
    return torch.float64 not in types if _autocast(tensors[0]) else len(types) == 1


def _autocast(z: Tensor) -> bool:
    return torch.is_autocast_enabled(z.device.type)


def _apply_together(z: Tensor, heads: Sequence[nn.Module]) -> Sequence[Tensor]:
    """Return the outputs of heads of the same form."""
    first = next(iter(heads[0]._modules.values()))
    if isinstance(first, _SELECTORS):
        z = first(z)
    of_heads = [[p for layer in head._modules.values() for p in vars(layer)["_parameters"].values()] for head in heads]
    dtype = torch.get_autocast_dtype(z.device.type) if _autocast(z) else z.dtype
    together: Callable[..., tuple[Tensor, ...]] = _GroupedHeads.apply
    return together(len(heads), dtype, z, *chain(*zip(*of_heads, strict=True)))


class _GroupedHeads(torch.autograd.Function):
    """T heads on features z: the outputs of each, from z and the weights and biases of all heads, layer by layer.

    The node in the graph says with the attributes `branches` and `take_branches` which inputs belong to which output: see
    `polytask.gradients.primitives.reachability`.
    """

    @staticmethod
    def forward(ctx: Any, number: int, dtype: torch.dtype, z: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401 - of autograd
        ctx.set_materialize_grads(False)
        ctx.branches = [(0, *range(1 + head, 1 + len(parameters), number)) for head in range(number)]
        ctx.take_branches, ctx.branch_input = None, z
        layers = [torch.stack(parameters[start : start + number]).to(dtype) for start in range(0, len(parameters), number)]
        x = z.flatten(0, -2).to(dtype)
        first, bias = layers[0].flatten(0, 1), layers[1].flatten()
        # Widths are written out, since they cannot be inferred from an empty batch.
        states = [torch.addmm(bias, x, first.t()).view(len(x), *layers[1].shape).transpose(0, 1)]
        for weights, bias in zip(layers[2::2], layers[3::2], strict=True):
            states.append(torch.baddbmm(bias.unsqueeze(1), states[-1].relu_(), weights.transpose(1, 2)))
        # Nothing is saved by autograd itself, which would free it for all heads in the first backward pass of one of them, and unpack the
        # parameters of all heads in every backward pass.
        ctx.parameters, ctx.kept, ctx.walked = parameters, (x, *layers[::2], *states[:-1]), set()
        ctx.versions = [_version(tensor) for tensor in (x, *parameters)]
        outputs = states[-1].reshape(number, *z.shape[:-1], states[-1].shape[-1])
        return tuple(part.clone() for part in outputs.unbind())  # no views, since these may not be changed in place

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - of autograd
        z, parameters, number = ctx.branch_input, ctx.parameters, len(slopes)
        chosen = [head for head, slope in enumerate(slopes) if slope is not None]
        x, *saved = _take_kept(ctx, chosen)
        if torch.is_grad_enabled():
            return (None, None, *_differentiable(z, parameters, slopes, x.dtype))
        found: list[Tensor | None] = [None] * len(parameters)
        if not chosen:
            return (None, None, None, *found)
        pick, depth = _picker(chosen, number), len(parameters) // (2 * number)
        weights, states = [pick(tensor) for tensor in saved[:depth]], [pick(tensor) for tensor in saved[depth:]]
        above = torch.stack([slope for slope in slopes if slope is not None]).flatten(1, -2).to(x.dtype)
        for layer in reversed(range(depth)):
            start = 2 * layer * number
            rows = above.transpose(1, 2)
            products = torch.bmm(rows, states[layer - 1]) if layer else (rows.flatten(0, 1) @ x).view(*rows.shape[:2], x.shape[-1])
            for place, gradients in ((start, products), (start + number, above.sum(1))):
                for head, gradient in zip(chosen, gradients.to(parameters[0].dtype).unbind(), strict=True):
                    found[place + head] = gradient
            if layer:
                above = torch.ops.aten.threshold_backward(torch.bmm(above, weights[layer]), states[layer - 1], 0)
        return (None, None, _of_features(ctx, z, chosen, above, weights[0]), *found)


def _take_kept(ctx: Any, chosen: Sequence[int]) -> tuple[Tensor, ...]:  # noqa: ANN401 - of autograd
    """Return the tensors of the forward pass, and free them after the last head, as PyTorch does for those that it has saved.

    Raises:
        RuntimeError: A head was walked before without `retain_graph`, or its parameters or the features were changed in place.
    """
    if not ctx.walked.isdisjoint(chosen):
        raise RuntimeError("trying to backward through the graph of a head a second time: specify retain_graph=True")
    kept: tuple[Tensor, ...] = ctx.kept
    inputs = (kept[0], *ctx.parameters)
    places = {place for head in chosen for place in ctx.branches[head]}
    if any(_version(inputs[place]) != ctx.versions[place] for place in places):
        raise RuntimeError("features or parameters of a head needed for gradient computation were modified by an inplace operation")
    if not torch._C._autograd._get_current_graph_task_keep_graph():
        ctx.walked.update(chosen)
        if len(ctx.walked) == len(ctx.branches):
            ctx.kept = None
    return kept


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _of_features(ctx: Any, z: Tensor, chosen: Sequence[int], above: Tensor, weights: Tensor) -> Tensor | None:  # noqa: ANN401 - of autograd
    """Return the gradient of the features, or give those of all heads to the function that asks for them one by one."""
    if not ctx.needs_input_grad[2]:
        return None
    if ctx.take_branches is not None:
        ctx.take_branches(chosen, torch.bmm(above, weights).view(len(chosen), *z.shape).to(z.dtype))
        return None
    joined = above.transpose(0, 1).flatten(1) @ weights.flatten(0, 1)
    return joined.view(z.shape).to(z.dtype)


def _picker(chosen: Sequence[int], number: int) -> Callable[[Tensor], Tensor]:
    """Return a function that selects the rows of some heads: without a copy if these are all of them, or one."""
    if len(chosen) == number:
        return lambda tensor: tensor
    if len(chosen) == 1:
        return lambda tensor: tensor[chosen[0] : chosen[0] + 1]
    return lambda tensor: tensor[torch.tensor(chosen, device=tensor.device)]


def _differentiable(z: Tensor, parameters: Sequence[Tensor], slopes: Sequence[Tensor | None], dtype: torch.dtype) -> list[Tensor | None]:
    """Return the gradients with a graph of their own, for derivatives of second order: head by head, in the dtype of the forward pass."""
    number, outputs, given = len(slopes), [], []
    rows, *cast_parameters = (tensor.to(dtype) for tensor in (z, *parameters))
    for head, slope in enumerate(slopes):
        if slope is not None:
            weights, biases = cast_parameters[head :: 2 * number], cast_parameters[number + head :: 2 * number]
            state = nn.functional.linear(rows, weights[0], biases[0])
            for weight, bias in zip(weights[1:], biases[1:], strict=True):
                state = nn.functional.linear(state.relu(), weight, bias)
            outputs.append(state)
            given.append(slope.to(state.dtype))
    inputs = [tensor for tensor in (z, *parameters) if tensor.requires_grad]
    found = iter(torch.autograd.grad(outputs, inputs, given, create_graph=True, allow_unused=True) if outputs else [None] * len(inputs))
    return [next(found) if tensor.requires_grad else None for tensor in (z, *parameters)]
