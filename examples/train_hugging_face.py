"""Study a Hugging Face encoder with a head per sentence and one per word: python examples/train_hugging_face.py [seeds]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertModel

import polytask as pt


def train(request: pt.TrainingRequest) -> dict[str, Any]:
    """Train one encoder for the tasks of the request; a task without labels per word reads the first word."""
    torch.manual_seed(request.seed)
    torch.set_num_threads(request.threads)
    (rows,), (test,) = request.training.values(), request.test.values()
    encoder = BertModel(BertConfig(vocab_size=100, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128))
    heads = nn.ModuleDict({task.name: nn.Linear(64, task.outputs) for task in request.tasks})
    optimizer = torch.optim.AdamW([*encoder.parameters(), *heads.parameters()], 1e-3)
    targets = {task.name: [torch.from_numpy(part) for part in task.encode(rows.labels[task.name])] for task in request.tasks}

    def outputs(task: pt.Task, words: torch.Tensor) -> torch.Tensor:
        states = encoder(words, attention_mask=words > 0).last_hidden_state
        return heads[task.name](states if task.per_token else states[:, 0])  # type: ignore[no-any-return]

    for _ in range(request.epochs):
        for batch in torch.randperm(len(rows)).chunk(1 + len(rows) // 32):
            for task in request.tasks:
                values, labeled = (part[batch] for part in targets[task.name])
                found = outputs(task, torch.from_numpy(rows.inputs[batch.numpy()]))
                task.loss_per_unit(found[labeled], values[labeled]).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        return {task.name: pt.Outputs(outputs(task, torch.from_numpy(test.inputs[:]))) for task in request.tasks}


def sentences(rows: int, seed: int) -> pt.Source:
    """Return sentences of 4 to 8 words from 1 to 99; words of even numbers are names, and the sentence asks what its first word says."""
    random = np.random.default_rng(seed)
    words = random.integers(1, 100, (rows, 8)) * (np.arange(8) < random.integers(4, 9, (rows, 1)))
    names = np.where(words == 0, None, np.where(words % 2, "O", "B-name")).astype(object)  # type: ignore[call-overload]
    return pt.Source("sentences", words, {"intent": np.where(words[:, 0] < 50, "buy", "sell").astype(object), "names": names})


if __name__ == "__main__":
    pt.add_import_path(Path(__file__).parent)  # other processes import train from this file
    tasks = (pt.tasks.Multiclass(name="intent", classes=("buy", "sell")), pt.tasks.Tagging(name="names", classes=("O", "B-name")))
    options = {"train": "train_hugging_face:train", "epochs": 5, "seeds": int((*sys.argv, "3")[1])}
    print(pt.study([sentences(300, 0)], tasks, test=lambda: (sentences(200, 1),), **options))
