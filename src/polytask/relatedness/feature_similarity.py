"""Similarity of the features that networks for different tasks have learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from polytask.data import Source
from polytask.training.inference import INFERENCE_BATCH_SIZE
from polytask.training.preparation.batch import Batch
from polytask.training.trained_network import TrainedNetwork

Floats = NDArray[np.float64]

MAX_COMPARED_ROWS = 5_000
"""Maximum number of rows of a source that are compared; they are evenly spaced."""


def linear_cka(first: Floats, second: Floats) -> float:
    """Return the linear centered kernel alignment of two sets of features of the same rows (Kornblith et al., ICML 2019, section 3).

        CKA(X, Y) = ‖Yᵀ X‖²_F / (‖Xᵀ X‖_F ‖Yᵀ Y‖_F),    columns centered

    It is 1 for features that are equal up to a rotation and a scale, and 0 for features without any linear relation. With few rows and
    many features it is large by chance.

    Args:
        first: Features X (N, p).
        second: Features Y (N, q).

    Returns:
        A number from 0 to 1; NaN if the features of either set do not vary.

    Example:
        >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
        >>> round(linear_cka(X, 3 * X[:, ::-1]), 6), round(linear_cka(X, X[:, :1]), 2)
        (1.0, 0.79)
    """
    X, Y = (np.asarray(own, dtype=np.float64) - np.mean(own, axis=0, dtype=np.float64) for own in (first, second))
    if max(X.shape[1], Y.shape[1]) > len(X):
        K, L = X @ X.T, Y @ Y.T  # the same norms from (N, N) matrices, which are smaller with fewer rows than features
        together, apart = float((K * L).sum()), float(np.linalg.norm(K) * np.linalg.norm(L))
    else:
        together, apart = float(np.linalg.norm(Y.T @ X) ** 2), float(np.linalg.norm(X.T @ X) * np.linalg.norm(Y.T @ Y))
    return min(together / apart, 1.0) if apart > 0 else float("nan")


def feature_similarities(networks: Mapping[str, TrainedNetwork], sources: Sequence[Source]) -> Floats:
    """Return the linear CKA of the features of single-task networks, on rows of the sources that both networks of a pair know.

    Args:
        networks: Per task, a network that was trained on it.
        sources: Rows that none of the networks was trained on. Features of tokens are compared token by token, without padding.

    Returns:
        Matrix (T, T), exactly symmetric with a diagonal of exactly 1; NaN for pairs without a common source, and for features that do not
        vary.
    """
    seen = {
        (task, source.name): head_inputs(network, source.take(np.arange(0, len(source), -(-len(source) // MAX_COMPARED_ROWS))), task)
        for task, network in networks.items()
        for source in sources
        if source.name in network.normalizations
    }
    found = np.full((len(networks), len(networks)), np.nan)
    for row, one in enumerate(networks):
        for column, other in enumerate(list(networks)[: row + 1]):
            common = [source.name for source in sources if (one, source.name) in seen and (other, source.name) in seen]
            if common:
                pair = [np.concatenate([seen[task, name] for name in common]) for task in (one, other)]
                alike = linear_cka(*pair)
                found[row, column] = found[column, row] = alike if row != column or np.isnan(alike) else 1.0
    return found


def head_inputs(network: TrainedNetwork, source: Source, task: str) -> Floats:
    """Return the inputs of the task's head, (N, width) for rows of a source or (tokens, width) for its tokens and row summaries."""
    rows = network.prepared(source).rows
    with torch.inference_mode():
        chunks = [_batch_head_inputs(network, chunk, task) for chunk in rows.chunks(INFERENCE_BATCH_SIZE)]
    return np.concatenate(chunks)


def _batch_head_inputs(network: TrainedNetwork, batch: Batch, task: str) -> Floats:
    inputs = network.precision.format_inputs(batch.normalization(batch.inputs))
    with network.precision.autocast():
        values = network.model.features_and_outputs(inputs, (task,), batch.source).features[task]
    if values.dim() == 3:  # a summary of the row, then its tokens: padding, whose codes are all 0, is dropped
        filled = batch.inputs.flatten(2).ne(0).any(dim=2) if batch.inputs.dim() > 2 else batch.inputs.ne(0)
        values = values[torch.cat([torch.ones(len(filled), 1, dtype=torch.bool), filled], dim=1)]
    return values.flatten(1).double().numpy(force=True)
