"""All tensors of a network, with the buffers that its state dictionary leaves out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from polytask.architectures import Network
from polytask.devices import device_of
from polytask.errors import ConfigError
from polytask.gradients.step_context import UndeclaredSharedError


def network_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dictionary of a network, and its non-persistent buffers, such as statistics that a module does not save.

    Outputs depend on them too, so that a network is the same again only with all of them.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> model.register_buffer("offset", torch.ones(1), persistent=False)
        >>> sorted(network_tensors(model))
        ['bias', 'offset', 'weight']
    """
    return {**dict(model.named_buffers()), **model.state_dict()}


def load_network_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network the tensors that `network_tensors` returned; non-persistent buffers that are not among them are unchanged.

    Raises:
        RuntimeError: A name of `tensors` is no tensor of the network, or a parameter or persistent buffer is missing.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> model.register_buffer("offset", torch.ones(1), persistent=False)
        >>> load_network_tensors(model, {**network_tensors(model), "offset": torch.tensor([2.0])})
        >>> model.offset
        tensor([2.])
    """
    places = {
        f"{path}.{own}".lstrip("."): (module, own)
        for path, module in model.named_modules()
        for own in module._non_persistent_buffers_set
        if own in module._buffers
    }
    model.load_state_dict({name: tensor for name, tensor in tensors.items() if name not in places})
    device = device_of(model)
    for name in places.keys() & tensors.keys():
        module, own = places[name]
        present, given = module._buffers[own], tensors[name].to(device)
        if present is None or present.shape != given.shape:
            module._buffers[own] = given.detach().clone()
        elif not torch.equal(present, given):
            with torch.no_grad():
                present.copy_(given)


def named_shared_error(model: Network, error: UndeclaredSharedError) -> ConfigError:
    """Return the error with the name of a parameter, and what to do in a run, where nobody declares what is shared."""
    named = model.named_parameters()
    name = next((name for name, parameter in named if any(parameter is one for one in error.parameters)), error.where)
    what = "the losses of several tasks reach a parameter that those of an example of the inputs do not"
    remedy = "Let all tasks that may use it always use it, if only by adding 0 * parameter.sum() to their outputs"
    return ConfigError(what, where=f"parameter {name}", remedy=remedy)
