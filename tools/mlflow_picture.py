"""Take the picture of a logged study in the page of MLflow, as a browser shows it.

    polytask study mnist-fashion --arms single equal upgrad --logger mlflow --out runs/logged
    python tools/mlflow_picture.py [--uri sqlite:///mlflow.db] [--experiment polytask] [--out docs/figures/mlflow.png] [--mlflow PROGRAM]

`mlflow ui` belongs to the package mlflow, not to mlflow-skinny, which the logger needs; PROGRAM is that of another environment. Chromium
must be installed.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.tracking import MlflowClient

from browser_pages import Browser, running_browser

WIDTH, HEIGHT, SECONDS = 1280, 700, 120.0
# The panel of the assistant would cover a third of the page; the rows of nested runs open by a click.
SETTINGS = {"mlflow.assistant.panelOpen_v1": "false", "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true"}
OPEN_STUDY = "(e => e && (e.click(), true))(document.querySelector('[data-component-id*=runnamecellrenderer]')) || false"
STYLE = ".modebar-container {display: none}"  # tools of the charts, which a pointer shows
ADD_STYLE = f"document.head.appendChild(Object.assign(document.createElement('style'), {{textContent: '{STYLE}'}})); true"
DRAWN = "document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length > 1"


@contextmanager
def shown(program: str, uri: str) -> Iterator[str]:
    """Serve the page of a database, and yield its address.

    Raises:
        TimeoutError: It does not answer.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [program, "ui", "--backend-store-uri", uri, "--port", address.rpartition(":")[2], "--workers", "1"]
    quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
    try:
        end = time.monotonic() + SECONDS
        while not _answers(f"{address}/health"):
            if time.monotonic() > end or server.poll() is not None:
                raise TimeoutError("mlflow ui does not answer")
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - an address of this machine
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_for(browser: Browser, program: str) -> None:
    """Evaluate JavaScript until it is true.

    Raises:
        TimeoutError: It never is.
    """
    end = time.monotonic() + SECONDS
    while browser.evaluate(program) is not True:
        if time.monotonic() > end:
            raise TimeoutError(f"the page of MLflow has another form: {program}")
        time.sleep(0.5)


def draw_charts(browser: Browser, address: str, experiment: str, out: Path) -> None:
    """Open the charts of an experiment with the networks of its study, and write the picture."""
    page = f"{address}/#/experiments/{experiment}/runs?compareRunsMode=CHART"
    browser.visit(f"{address}/health", WIDTH, HEIGHT)
    for name, value in SETTINGS.items():
        browser.evaluate(f"localStorage.setItem('{name}', '{value}')")
    browser.visit(page, WIDTH, HEIGHT)
    wait_for(browser, OPEN_STUDY)
    time.sleep(5)  # the page stores that the study is open, and proposes charts of the runs that are shown
    browser.visit(f"{address}/health", WIDTH, HEIGHT)
    browser.visit(page, WIDTH, HEIGHT)
    wait_for(browser, DRAWN)
    browser.evaluate(ADD_STYLE)
    time.sleep(10)  # lines are drawn one after the other
    browser.screenshot(out, HEIGHT)


def main() -> None:
    """Open the page of a database, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default="sqlite:///mlflow.db")
    parser.add_argument("--experiment", default="polytask")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/mlflow.png"))
    parser.add_argument("--mlflow", default="mlflow")
    chosen = parser.parse_args()
    found = MlflowClient(tracking_uri=chosen.uri).get_experiment_by_name(chosen.experiment)
    if found is None:
        raise SystemExit(f"{chosen.uri} has no experiment {chosen.experiment!r}: log a study first, --logger mlflow")
    with shown(chosen.mlflow, chosen.uri) as address, running_browser() as browser:
        draw_charts(browser, address, found.experiment_id, chosen.out)
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
