"""Logger that records runs with MLflow."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

from polytask.errors import MissingExtraError
from polytask.loggers.base import LoggedRun, Logger

RUN_TAG = "polytask.run"
"""Tag of a run that holds its path, by which a run that goes on is found."""
_LONGEST_VALUE, _MOST_AT_ONCE = 500, 1000
_REFUSED = re.compile(r"[^\w./: -]")


@final
class MLflowLogger(Logger):
    """One run of an experiment of MLflow per run; the networks of a study are runs inside that of the study.

    Characters that MLflow refuses in names become `_`. A run that goes on continues the latest one of its name.

    Args:
        uri: Tracking server or database.
        experiment: Name of the experiment.

    Raises:
        MissingExtraError: MLflow is not installed (raised when a run begins).
    """

    def __init__(self, uri: str = "sqlite:///mlflow.db", experiment: str = "polytask") -> None:
        self.uri, self.experiment = uri, experiment
        self._client: Any = None
        self._run = ""

    def begin(self, run: LoggedRun) -> None:
        """Create a run, or continue the latest one of its name."""
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise MissingExtraError("MLflow is needed", where="logger", found=error, remedy="pip install 'polytask[mlflow]'") from None
        with _quiet():
            self._client = MlflowClient(tracking_uri=self.uri)
            found = self._client.get_experiment_by_name(self.experiment)
            place = self._client.create_experiment(self.experiment) if found is None else found.experiment_id
            known = self._latest(place, run.path.as_posix()) if run.step else None
            if known is not None:
                self._run = known
                self._client.set_terminated(known, "RUNNING")
                return
            tags = {RUN_TAG: run.path.as_posix()}
            parent = self._latest(place, LoggedRun(run.parent).path.as_posix()) if run.parent else None
            if parent is not None:
                tags["mlflow.parentRunId"] = parent
            self._run = self._client.create_run(place, run_name=run.name, tags=tags).info.run_id
            self._log_options(run.options)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record all values in one call."""
        if self._client is None:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_REFUSED.sub("_", name), float(value), now, step) for name, value in values.items()]
        with _quiet():
            for start in range(0, len(metrics), _MOST_AT_ONCE):
                self._client.log_batch(self._run, metrics=metrics[start : start + _MOST_AT_ONCE])

    def end(self) -> None:
        """End the run."""
        if self._client is not None:
            with _quiet():
                self._client.set_terminated(self._run)
            self._client = None

    def _latest(self, experiment: str, path: str) -> str | None:
        """Return the identifier of the latest run with this path."""
        same, newest = f"tags.`{RUN_TAG}` = '{path}'", ["attributes.start_time DESC"]
        found = self._client.search_runs([experiment], same, order_by=newest, max_results=1)
        return found[0].info.run_id if found else None

    def _log_options(self, options: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(_REFUSED.sub("_", name), str(value)[:_LONGEST_VALUE]) for name, value in options.items()]
        if params:
            self._client.log_batch(self._run, params=params[:100])


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what MLflow's use of its database warns of, which its users cannot change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy", DeprecationWarning)
        yield
