"""A device that exists on every machine: tensors with values on the CPU that may not be mixed with tensors of the CPU.

PyTorch's `meta` device is a device of its own for its dispatcher and for autograd, whose tensors have no values. Within
`StandInDevice`, they get values, which are computed on the CPU. What an accelerator refuses is refused here with
`DeviceMistakeError`, and every point at which the CPU would wait for an accelerator is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_iter, tree_map_only

STAND_IN = torch.device("meta")

_aten = torch.ops.aten
_INDEXING = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default}
_MAY_MIX = {*_INDEXING, _aten.copy_.default, _aten._to_copy.default, _aten._pack_padded_sequence.default}
"""Operators that take tensors of two devices on accelerators too: copies, indices of the CPU, and the lengths of sequences."""
_WAITS = {
    _aten._local_scalar_dense.default: "item",
    _aten.nonzero.default: "nonzero",
    _aten.masked_select.default: "masked select",
    _aten._unique2.default: "unique",
    _aten.unique_dim.default: "unique",
    _aten.unique_consecutive.default: "unique",
    _aten.repeat_interleave.Tensor: "repeat interleave",
    _aten.bincount.default: "bincount",
    _aten.equal.default: "equal",
}
"""Operators whose result, or its shape, the CPU needs before it can go on."""


class DeviceMistakeError(RuntimeError):
    """Raised where an accelerator would refuse an operation."""


class StandInTensor(Tensor):
    """A tensor of the stand-in device.

    Attributes:
        host: Tensor of the CPU with its values.
    """

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls: type[Self], real: Tensor) -> Self:
        """Return a tensor of the device with the values, shape, strides and dtype of one of the CPU."""
        made: Self = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, real.shape, real.stride(), real.storage_offset(), dtype=real.dtype, layout=real.layout, device=STAND_IN
        )
        made.host = real
        return made

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        """False: this tensor has values."""
        return False

    def tolist(self) -> Any:  # type: ignore[override]
        """Return the values as lists: a copy to the CPU."""
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Refuse, as accelerators do, unless the copy to the CPU is asked for.

        Raises:
            DeviceMistakeError: `force` is not set.
        """
        if not force:
            raise DeviceMistakeError("numpy cannot read a tensor of the stand-in device")
        return self.detach().cpu().numpy()

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        """Tell modules that parameters keep their identity when they move, as they do on accelerators."""
        return ["host"], None

    @staticmethod
    def __tensor_unflatten__(inner: Mapping[str, Tensor], *_: object) -> StandInTensor:
        """Return the tensor of what `__tensor_flatten__` has named."""
        return StandInTensor(inner["host"])

    def __repr__(self, *, tensor_contents: object = None) -> str:
        """Return the values, with the device."""
        del tensor_contents
        return f"stand-in {self.host}"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Refuse: all operations go through the mode."""
        return run_on_stand_in(func, args, kwargs or {}, Counter())


class StandInDevice(TorchDispatchMode):
    """Let the `meta` device have values within a `with` block.

    Attributes:
        waits: Number of times that the CPU waited for the device, by the reason.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return that the compiler, whose import takes seconds, need not be told to leave this alone: nothing is compiled here."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self._factories = _Factories()

    def __enter__(self) -> Self:
        """Begin the block; tensors of inference mode, which have no versions, cannot be those of a subclass."""
        self._kept, torch.inference_mode = torch.inference_mode, torch.no_grad  # type: ignore[misc, assignment]
        self._factories.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """End the block."""
        torch.inference_mode = self._kept  # type: ignore[misc]
        super().__exit__(*error)
        self._factories.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation on the values, and check where its tensors are."""
        return run_on_stand_in(func, args, kwargs or {}, self.waits)


class _Factories(TorchFunctionMode):
    """Make the tensors of `torch.tensor` on the CPU and copy them, since it leaves out the dispatcher."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if (
            func in (torch.tensor, torch.as_tensor)
            and given.get("device") is not None
            and torch.device(given["device"]).type == STAND_IN.type
        ):
            del given["device"]
            return func(*args, **given).to(STAND_IN)
        if func is Tensor.new_tensor and isinstance(args[0], StandInTensor):
            return args[0].host.new_tensor(*args[1:], **given).to(STAND_IN)
        return func(*args, **given)


def run_on_stand_in(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], waits: Counter[str]) -> Any:
    """Run an operation on the values of its tensors, and return tensors of the device on which an accelerator would have them."""
    given = [one for one in tree_iter((args, kwargs)) if isinstance(one, Tensor)]
    there = any(isinstance(one, StandInTensor) for one in given)
    wanted = kwargs.get("device")
    target = there if wanted is None else torch.device(wanted).type == STAND_IN.type
    if not there and not target:
        return func(*args, **kwargs)
    if there:
        _check_places(func, given)
    _check_generator(kwargs.get("generator"))
    _count(func, args, kwargs, target=target, waits=waits)
    real_args, real_kwargs = tree_map_only(StandInTensor, lambda one: one.host, (args, dict(kwargs)))
    if wanted is not None:
        real_kwargs["device"] = torch.device("cpu")
        if func is _aten._to_copy.default and real_kwargs.get("pin_memory"):
            real_kwargs["pin_memory"] = False
    found = func(*real_args, **real_kwargs)
    if func is _aten._pack_padded_sequence.default:
        return StandInTensor(found[0]), found[1]  # the numbers of rows per step stay on the CPU
    made = tree_map_only(Tensor, StandInTensor, found) if target and func is not _aten._local_scalar_dense.default else found
    return return_and_correct_aliasing(func, args, dict(kwargs), made) if target else made


def _check_places(func: Any, given: Iterable[Tensor]) -> None:
    scalars = torch.Tag.pointwise in func.tags
    for one in given:
        if not isinstance(one, StandInTensor) and one.device == STAND_IN:
            raise DeviceMistakeError(f"{func} got an index that is a list, which is copied to the device at every call")
        if not isinstance(one, StandInTensor) and func not in _MAY_MIX and not (scalars and one.dim() == 0):
            raise DeviceMistakeError(f"{func} got a tensor of the CPU of shape {tuple(one.shape)} beside one of the stand-in device")


def _check_generator(generator: torch.Generator | None) -> None:
    if generator is not None:
        raise DeviceMistakeError("a generator of the CPU was given for a tensor of the stand-in device")


def _count(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], *, target: bool, waits: Counter[str]) -> None:
    if func in _WAITS:
        waits[_WAITS[func]] += 1
    elif func is _aten._to_copy.default:
        _count_copy(args[0], target=target, non_blocking=bool(kwargs.get("non_blocking")), waits=waits)
    elif func is _aten.copy_.default:
        non_blocking = args[2] if len(args) > 2 else kwargs.get("non_blocking")
        _count_copy(args[1], target=isinstance(args[0], StandInTensor), non_blocking=bool(non_blocking), waits=waits)
    elif func in _INDEXING:
        for one in args[1]:
            if isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8):
                waits["index by a mask"] += 1
            elif isinstance(one, Tensor):
                _count_copy(one, target=True, non_blocking=False, waits=waits)


def _count_copy(given: Tensor, target: bool, non_blocking: bool, waits: Counter[str]) -> None:
    """Count a copy to the CPU, and one from it that is not asked to go on meanwhile."""
    there = isinstance(given, StandInTensor)
    if there and not target:
        waits["copy to the CPU"] += 1
    elif target and not there and not non_blocking:
        waits["blocking copy to the device"] += 1
