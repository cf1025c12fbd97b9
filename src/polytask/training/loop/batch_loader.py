"""Batches of the steps of an epoch: the place where rows become inputs of training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import torch
from torch import Tensor

from polytask.data.input_entries import Inputs, RowReader
from polytask.data.loading.load_inputs import LoadInputs, LoadRequest
from polytask.data.loading.read_ahead import ReadAhead
from polytask.devices import CPU
from polytask.seeds import derive_seed
from polytask.training.loop.micro_batches import StepBatches
from polytask.training.preparation.batch import Batch
from polytask.training.preparation.prepared_data import PreparedSource

StepRows = Mapping[str, Tensor]
"""Row numbers (B,) of a step by source."""


class BatchLoader:
    """Loader of the rows that steps use.

    Rows in memory are copied when their step comes. Rows that have to be read or transformed are loaded with a seed of their own that
    depends on the source, the epoch and the step, so that an interrupted run goes on with the same batches, with any number of workers.

    Args:
        sources: Training part of each source.
        seed: Root seed.
        device: Device of the network, to which the rows of sources that are not there yet are copied while the CPU goes on.
    """

    def __init__(self, sources: Mapping[str, PreparedSource], seed: int, device: torch.device = CPU) -> None:
        self._sources, self._seed, self._device = sources, seed, device
        self._loaders = {
            name: ReadAhead(
                LoadInputs(source.rows.all_inputs, source.transform, f"source {name!r}"),
                source.rows.loader_workers,
            )
            for name, source in sources.items()
            if source.transform is not None or isinstance(source.rows.all_inputs, RowReader)
        }

    def of_epoch(self, steps: Iterable[StepRows], epoch: int, skip: int = 0) -> Iterator[tuple[StepRows, StepBatches]]:
        """Yield the rows of each step with their batches.

        Args:
            steps: Row numbers of each step, by source.
            epoch: Number of the epoch, from 0.
            skip: Number of steps of the epoch that are over, and not loaded.
        """
        if not self._loaders:
            for rows in islice(steps, skip, None):
                batches = {name: self._sources[name].rows.take(chosen) for name, chosen in rows.items()}
                yield rows, batches if self._device == CPU else {name: self._moved(batch) for name, batch in batches.items()}
            return
        steps = list(steps)
        ahead = {name: self._loaded(name, steps, epoch, skip) for name in self._loaders}
        for rows in steps[skip:]:
            yield (
                rows,
                {
                    name: self._moved(self._sources[name].rows.take(chosen, next(ahead[name]) if name in ahead else None))
                    for name, chosen in rows.items()
                },
            )

    def _moved(self, batch: Batch) -> Batch:
        """Return rows on the device."""
        if batch.device == self._device:
            return batch
        return (batch.pinned() if self._device.type == "cuda" else batch).to(self._device)

    def close(self) -> None:
        """End the workers."""
        for loader in self._loaders.values():
            loader.close()

    def _loaded(self, source: str, steps: Iterable[StepRows], epoch: int, skip: int) -> Iterator[Inputs]:
        rows = self._sources[source].rows
        requests = [
            LoadRequest(rows.places(chosen[source]), derive_seed(self._seed, "loading", source, epoch, number))
            for number, chosen in enumerate(steps)
            if source in chosen and number >= skip
        ]
        return self._loaders[source].calls(requests)
