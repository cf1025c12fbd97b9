"""Balance a head per sentence and one per word in the Trainer of Hugging Face: python examples/hugging_face_trainer.py [epochs]."""

from __future__ import annotations

import sys
import tempfile

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertModel, Trainer, TrainingArguments

import polytask as pt

INTENTS, SLOTS = ("flight", "fare", "airport"), ("O", "B-from", "B-to")


class Net(nn.Module):
    """A small encoder that starts at random; a pretrained one is BertModel.from_pretrained(folder)."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
        self.encoder, self.intent, self.slots = BertModel(config), nn.Linear(32, len(INTENTS)), nn.Linear(32, len(SLOTS))

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


def sentences(count: int) -> list[dict[str, object]]:
    """Return sentences like those of ATIS: what is asked (1 to 3), "from" (4) a city (20 to 59) "to" (5) a city, in either order."""
    found = []
    for _ in range(count):
        asked, a, b, swap, words = (int(torch.randint(*limits, ())) for limits in ((0, 3), (20, 60), (20, 60), (0, 2), (6, 9)))
        parts = [(4, 0), (a, 1), (5, 0), (b, 2)]
        row = [(asked + 1, 0), *(parts[2:] + parts[:2] if swap else parts), *[(10, 0)] * (words - 5), *[(0, -100)] * (8 - words)]
        found.append({"input_ids": [word for word, _ in row], "intent": asked, "slots": [slot for _, slot in row]})
    return found


if __name__ == "__main__":
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        options = {"num_train_epochs": int((*sys.argv, "3")[1]), "per_device_train_batch_size": 32, "learning_rate": 3e-3, "use_cpu": True}
        quiet = {"report_to": "none", "save_strategy": "no", "remove_unused_columns": False, "label_names": ["intent", "slots"]}
        trainer = Balanced(model=(net := Net()), args=TrainingArguments(folder, **options, **quiet), train_dataset=sentences(800))  # type: ignore[arg-type]
        trainer.balance(pt.Backward("upgrad", tasks=("intent", "slots"), shared=net.encoder, model=net))
        trainer.train()
        print(f"sum of the validation losses: {trainer.evaluate(sentences(200))['eval_loss']:.3f}")  # type: ignore[arg-type]
