"""Balance the intents and the slots of ATIS in the Trainer of Hugging Face: python examples/hugging_face_trainer.py [epochs]."""

from __future__ import annotations

import sys
import tempfile

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertModel, Trainer, TrainingArguments

import polytask as pt


class Net(nn.Module):
    """A small encoder that starts at random, with a head per sentence and one per word; BertModel.from_pretrained(folder) loads one."""

    def __init__(self, intents: int, slots: int) -> None:
        super().__init__()
        config = BertConfig(vocab_size=1000, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
        self.encoder, self.intent, self.slots = BertModel(config), nn.Linear(64, intents), nn.Linear(64, slots)

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits per sentence and per word."""
        states = self.encoder(input_ids, attention_mask=input_ids > 0).last_hidden_state
        return self.intent(states[:, 0]), self.slots(states)


class Balanced(pt.bridges.BalancedTrainer, Trainer):  # type: ignore[misc]
    """The trainer with two losses."""

    def task_losses(self, model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean loss of each task; padding, whose label is -100, does not count."""
        intent, slots = model(inputs["input_ids"])
        return {"intent": cross_entropy(intent, inputs["intent"]), "slots": cross_entropy(slots.flatten(0, 1), inputs["slots"].flatten())}


def rows_of(source: pt.Source, tasks: tuple[pt.Task, ...]) -> list[dict[str, object]]:
    """Return sentences as codes of words, with 0 as padding, and with codes of their labels."""
    targets = {task.name: task.encode(source.labels[task.name]) for task in tasks}
    labels = [np.where(found.labeled, found.values, -100) for found in targets.values()]
    return [dict(zip(("input_ids", *targets), row, strict=True)) for row in zip(source.inputs, *labels, strict=True)]


if __name__ == "__main__":
    torch.manual_seed(0)
    sources, tasks = pt.datasets.load_dataset("atis")
    (train,), (test,), net = sources, sources.open_test(), Net(*(task.outputs for task in tasks))
    with tempfile.TemporaryDirectory() as folder:
        options = {"num_train_epochs": int((*sys.argv, "10")[1]), "per_device_train_batch_size": 32, "learning_rate": 2e-3, "use_cpu": True}
        quiet = {"report_to": "none", "save_strategy": "no", "disable_tqdm": True, "label_names": ["intent", "slots"]}
        trainer = Balanced(model=net, args=TrainingArguments(folder, **options, **quiet), train_dataset=rows_of(train, tasks))  # type: ignore[arg-type]
        trainer.balance(pt.Backward("upgrad", tasks=("intent", "slots"), shared=net.encoder, model=net))
        trainer.train()
        print(f"sum of the test losses: {trainer.evaluate(rows_of(test, tasks))['eval_loss']:.3f}")  # type: ignore[arg-type]
    for task, logits in zip(tasks, net(torch.from_numpy(test.inputs)), strict=True):
        values, labeled = task.encode(test.labels[task.name])
        print(f"{task.name}: {np.mean(logits.argmax(-1).numpy()[labeled] == values[labeled]):.1%} of the test labels")
