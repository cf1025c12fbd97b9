"""One of several processes whose library trains them together: run by `test_processes.py`.

    torchrun --nproc-per-node 2 processes_worker.py LIBRARY FOLDER

The gradients of every step, the weights at the end and the state of `Backward` go to FOLDER/RANK, per case, in float64.
"""

from __future__ import annotations

import copy
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.bridges.bare_loop import BALANCERS, Setting, Trace, losses_with_gaps, rows

import polytask as pt
from polytask.errors import ConfigError
from polytask.storage import save_state

OWN_BATCH = 4  # rows of each process in a step of one micro-batch
CASES = {
    **{name: Setting(name) for name in (*BALANCERS, "gradvac", "db-mtl")},
    "clipped": Setting(clip=0.5),
    "accumulated": Setting("pcgrad", clip=0.5, parts=2),
    "gaps": Setting("upgrad", gaps=True),
}
WRAPPED_OTHERWISE = "wrapped otherwise"  # upgrad, with DDP that looks for unused parameters, or in Accelerate's loop without DDP
RESUMED = Setting("moco")  # stores gradients
Found = dict[str, Any]


def found_in(trace: Trace, net: nn.Module, backward: pt.Backward) -> Found:
    """What a training leaves behind."""
    tensors = trace.end(net).flat()
    return {"tensors": dict(zip(map(str, range(len(tensors))), tensors, strict=True)), "state": copy.deepcopy(backward.state_dict())}


def refused(train: Callable[[], object]) -> str:
    try:
        train()
    except ConfigError as error:
        return str(error)
    return "nothing"


def with_lightning(folder: Path) -> Found:
    """Each process has every second row; Lightning's own sampler would shuffle them."""
    with warnings.catch_warnings(action="ignore"):
        import lightning
    from tests.bridges.test_balanced_module import module_of, trainer_of

    ddp: dict[str, Any] = {"devices": 2, "strategy": "ddp", "use_distributed_sampler": False}

    def loader() -> Any:
        own = rows()[int(os.environ["RANK"]) :: 2]
        return torch.utils.data.DataLoader(own, batch_size=OWN_BATCH)  # type: ignore[arg-type]

    def trained(setting: Setting, ckpt_path: Path | None = None, **given: Any) -> tuple[Any, Any]:
        module = module_of(lightning, setting)
        trainer = trainer_of(lightning, setting, folder, **{**ddp, **given})
        trainer.fit(module, loader(), ckpt_path=ckpt_path)
        return module, trainer

    found = {}
    for name, setting in CASES.items():
        module, _ = trained(setting)
        found[name] = found_in(module.trace, module.net, module.balanced)
    module, _ = trained(Setting(), strategy="ddp_find_unused_parameters_true")
    found[WRAPPED_OTHERWISE] = found_in(module.trace, module.net, module.balanced)
    first, trainer = trained(RESUMED, max_epochs=1)
    trainer.save_checkpoint(folder / "one.ckpt")
    module, _ = trained(RESUMED, ckpt_path=folder / "one.ckpt")
    module.trace.grads = first.trace.grads + module.trace.grads
    found["resumed"] = found_in(module.trace, module.net, module.balanced)
    unshared = module_of(lightning, Setting())
    unshared.balance(pt.Backward("upgrad", tasks=("up", "down"), model=unshared.net))
    found["refused"] = refused(lambda: trainer_of(lightning, Setting(), folder, **ddp).fit(unshared, loader()))
    return found


def with_trainer(folder: Path) -> Found:
    """The trainer gives each process batches in turn."""
    from tests.bridges.test_balanced_trainer import Balanced, trainer_of

    class Gaps(Balanced):
        def task_losses(self, model: nn.Module, inputs: Any) -> Any:
            return losses_with_gaps(lambda batch: model(values=batch), inputs["values"])

    def trainer_for(setting: Setting, **given: Any) -> Any:
        return trainer_of(setting, folder, Gaps if setting.gaps else Balanced, per_device_train_batch_size=OWN_BATCH, **given)

    found = {}
    for name, setting in (*CASES.items(), (WRAPPED_OTHERWISE, Setting())):
        trainer = trainer_for(setting, ddp_find_unused_parameters=name == WRAPPED_OTHERWISE)
        trainer.train()
        found[name] = found_in(trainer.trace, trainer.model.net, trainer.balanced)
    first = trainer_for(Setting("moco", epochs=1), save_strategy="epoch")
    first.train()
    trainer = trainer_for(RESUMED)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-5"))
    trainer.trace.grads = first.trace.grads + trainer.trace.grads
    found["resumed"] = found_in(trainer.trace, trainer.model.net, trainer.balanced)
    unshared = trainer_for(Setting())
    unshared.balance(pt.Backward("upgrad", tasks=("up", "down"), model=unshared.model.net))
    found["refused"] = refused(unshared.train)
    return found


def with_accelerate(folder: Path) -> Found:
    """Accelerate gives each process batches in turn; the network is wrapped by it or not."""
    from tests.bridges.test_accelerated_backward import Loop

    found = {}
    for name, setting in (*CASES.items(), (WRAPPED_OTHERWISE, Setting())):
        loop = Loop(setting, OWN_BATCH, wrapped=name != WRAPPED_OTHERWISE)
        for _ in range(setting.epochs):
            loop.epoch()
        found[name] = found_in(loop.trace, loop.model, loop.balanced.backward)
    first = Loop(RESUMED, OWN_BATCH)
    first.epoch()
    first.accelerator.save_state(str(folder / "state"))
    loop = Loop(RESUMED, OWN_BATCH)
    loop.accelerator.load_state(str(folder / "state"))
    loop.epoch()
    loop.trace.grads = first.trace.grads + loop.trace.grads
    found["resumed"] = found_in(loop.trace, loop.model, loop.balanced.backward)
    other = Loop(Setting(), OWN_BATCH, wrapped=False)
    with torch.no_grad():
        next(other.model.parameters()).add_(dist.get_rank())
    found["refused"] = refused(other.epoch)
    return found


def main(library: str, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    found = {"lightning": with_lightning, "trainer": with_trainer, "accelerate": with_accelerate}[library](folder)
    save_state(folder / str(dist.get_rank()), found)
    dist.barrier()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # gloo's threads sometimes abort an interpreter that shuts down in the ordinary way
