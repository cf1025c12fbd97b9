"""Sources that stay on the device of the network, and those whose rows are copied to it step by step."""

from __future__ import annotations

from dataclasses import replace

import torch

from polytask.data.input_entries import RowReader
from polytask.devices import CPU, memory_limit
from polytask.training.preparation.prepared_data import PreparedData, PreparedSource

LARGEST_SHARE = 0.25
"""Share of the free memory of a device that sources may take; the rest is for the network and its gradients."""
UNKNOWN_MEMORY = 1 << 30
"""Bytes that sources may take on a device that does not tell its free memory."""


def resident_data(data: PreparedData, device: torch.device) -> PreparedData:
    """Return the data with those sources on the device that fit; the smallest ones come first.

    A source is copied once, so that a step copies no more than the numbers of its rows. What is memory-mapped, read from files or
    transformed batch by batch stays where it is, and its rows are copied step by step.

    Args:
        data: Prepared data.
        device: Device of the network; on the CPU, nothing is copied.
    """
    if device == CPU:
        return data
    resident = _resident_sources(data, device)
    training, validation = dict(data.training), dict(data.validation)
    for name in resident:
        rows = training[name].rows.to(device)
        held_out = replace(validation[name].rows, all_inputs=rows.all_inputs).to(device)  # both parts use the same inputs
        training[name], validation[name] = replace(training[name], rows=rows), replace(validation[name], rows=held_out)
    return replace(data, training=training, validation=validation)


def resident_bytes(data: PreparedData, device: torch.device) -> int:
    """Return the bytes of the sources that `resident_data` copies to an accelerator."""
    return sum(_resident_sources(data, device).values())


def _resident_sources(data: PreparedData, device: torch.device) -> dict[str, int]:
    """Return the bytes of every source that stays on an accelerator."""
    known = memory_limit(device)
    left = UNKNOWN_MEMORY if known is None else int(LARGEST_SHARE * known)
    resident: dict[str, int] = {}
    sizes = {name: _bytes(source) for name, source in data.training.items()}
    for name, size in sorted(((name, size) for name, size in sizes.items() if size is not None), key=lambda pair: pair[1]):
        if size <= left:
            left -= size
            resident[name] = size
    return resident


def _bytes(source: PreparedSource) -> int | None:
    """Return the bytes of a source, or `None` if its rows cannot stay on a device."""
    if source.memory_mapped or source.transform is not None or isinstance(source.rows.all_inputs, RowReader):
        return None
    return source.rows.bytes
