"""Logger that records runs with Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, final

from polytask.errors import MissingExtraError
from polytask.loggers.base import LoggedRun, Logger


@final
class WandbLogger(Logger):
    """One run of a project of Weights & Biases per run; the networks of a study are a group.

    By default nothing is sent: runs are folders below `<folder>/wandb`, which `wandb sync` uploads. A run that goes on is a new run of
    the same name, since runs without a connection cannot be continued.

    Args:
        project: Name of the project.
        folder: Folder of the files.
        mode: `offline`, or `online` to send values.

    Raises:
        MissingExtraError: Weights & Biases is not installed (raised when a run begins).
    """

    def __init__(self, project: str = "polytask", folder: str = "logs", mode: Literal["offline", "online"] = "offline") -> None:
        self.project, self.folder, self.mode = project, folder, mode
        self._run: Any = None

    def begin(self, run: LoggedRun) -> None:
        """Begin a run."""
        try:
            import wandb
        except ImportError as error:
            remedy = "pip install 'polytask[wandb]'"
            raise MissingExtraError("Weights & Biases is needed", where="logger", found=error, remedy=remedy) from None
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=self.project,
            dir=self.folder,
            mode=self.mode,
            name=run.name,
            group=run.parent or None,
            config=dict(run.options),
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True),
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record all values of a step."""
        if self._run is not None:
            self._run.log({name: float(value) for name, value in values.items()}, step=step)

    def end(self) -> None:
        """Finish the run: everything is written, or sent."""
        if self._run is not None:
            self._run.finish()
            self._run = None
