"""Study a Hugging Face encoder on ATIS, an intent per sentence and a slot per word: python examples/train_hugging_face.py SEEDS EPOCHS."""

import sys

import torch
from transformers import BertConfig, BertModel

import polytask as pt


def train(request: pt.TrainingRequest) -> dict[str, pt.Outputs]:
    """Train one encoder for the tasks of the request; a task without labels per word reads the first word."""
    torch.manual_seed(request.seed)
    (rows,), (test,) = request.training.values(), request.test.values()
    encoder = BertModel(BertConfig(vocab_size=1000, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128))
    heads = torch.nn.ModuleDict({task.name: torch.nn.Linear(64, task.outputs) for task in request.tasks})
    optimizer = torch.optim.AdamW([*encoder.parameters(), *heads.parameters()], 2e-3)
    targets = {task.name: [torch.from_numpy(part) for part in task.encode(rows.labels[task.name])] for task in request.tasks}

    def outputs(words: torch.Tensor) -> dict[str, torch.Tensor]:
        states = encoder(words, attention_mask=words > 0).last_hidden_state
        return {task.name: heads[task.name](states if task.per_token else states[:, 0]) for task in request.tasks}

    for batch in (part for _ in range(request.epochs) for part in torch.randperm(len(rows)).chunk(1 + len(rows) // 32)):
        found = outputs(torch.from_numpy(rows.inputs[batch.numpy()]))
        optimizer.zero_grad()
        labels = {task: [part[batch] for part in targets[task.name]] for task in request.tasks}
        losses = [task.loss_per_unit(found[task.name][labeled], values[labeled]).mean() for task, (values, labeled) in labels.items()]
        torch.stack(losses).sum().backward()
        optimizer.step()
    encoder.train(mode=False)
    with torch.no_grad():
        return {name: pt.Outputs(found) for name, found in outputs(torch.from_numpy(test.inputs[:])).items()}


if __name__ == "__main__":
    pt.add_import_path(sys.path[0])  # other processes import train from this file
    print(pt.study("atis", train="train_hugging_face:train", seeds=int(sys.argv[1]), epochs=int(sys.argv[2])))
