"""Open pages in a headless Chromium, and tell what is wrong with them: its protocol of the developer tools, over a pipe."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", "--no-first-run")
TIMEOUT = 60.0
# What a page must fulfil; axe-core checks more, where it is at hand.
FAULTS = """(() => {
  const faults = [], name = e => e.outerHTML.slice(0, 90);
  const hasName = e => (e.getAttribute('aria-label') || e.textContent || e.getAttribute('title') || e.getAttribute('alt') || '').trim();
  if (!document.documentElement.lang) faults.push('the page says no language');
  if (document.documentElement.scrollWidth > innerWidth)
    faults.push(`the page is ${document.documentElement.scrollWidth} px wide, the window ${innerWidth}`);
  if (document.querySelectorAll('h1').length !== 1) faults.push('a page has one h1');
  let before = 0;
  for (const h of document.querySelectorAll('main h1, main h2, main h3, main h4, article h1, article h2, article h3')) {
    const level = +h.tagName[1];
    if (before && level > before + 1) faults.push(`a heading skips a level: ${name(h)}`);
    before = level;
  }
  for (const e of document.querySelectorAll('a[href], button, summary')) {
    const shown = e.checkVisibility ? e.checkVisibility() : true;
    if (shown && !hasName(e) && !e.querySelector('img[alt], svg, [aria-label]')) faults.push(`a control has no name: ${name(e)}`);
  }
  for (const e of document.querySelectorAll('img')) {
    if (!e.hasAttribute('alt')) faults.push(`a picture has no description: ${name(e)}`);
    const shown = e.checkVisibility ? e.checkVisibility() : true;
    if (shown && !(e.complete && e.naturalWidth)) faults.push(`a picture is not drawn: ${name(e).slice(0, 60)}`);
  }
  for (const e of document.querySelectorAll('table')) if (!e.querySelector('th')) faults.push(`a table has no headings: ${name(e)}`);
  for (const e of document.querySelectorAll('th')) if (!e.textContent.trim()) faults.push('a heading of a table is empty');
  for (const e of document.querySelectorAll('*')) {
    const style = getComputedStyle(e);
    const scrolls = e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(style.overflowX);
    const reached = e.tabIndex >= 0 || e.querySelector('a, button, summary');
    if (scrolls && e.clientWidth && !reached) faults.push(`no key scrolls this: ${name(e)}`);
  }
  return faults;
})()"""
AXE = """axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(
  v => `axe ${v.impact}: ${v.id}, ${v.nodes.length} times: ${v.nodes[0].html.slice(0, 120)}`))"""


@dataclass
class PageFindings:
    """What is wrong with a page at one width of the window.

    Attributes:
        page: The page.
        width: Width of the window in pixels.
        faults: What is wrong with it; empty if nothing is.
        seconds: Seconds until everything is drawn.
    """

    page: Path
    width: int
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


def find_chromium() -> str | None:
    """Return the path of Chromium; `None` if it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A running Chromium with one tab."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._buffer = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", {"url": "about:blank"}, session="")["targetId"]
        self._session = ""
        self._session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return the answer to a command.

        Raises:
            RuntimeError: Chromium refuses it.
            TimeoutError: There is no answer.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters or {}}
        own = self._session if session is None else session
        os.write(self._write, json.dumps(message | ({"sessionId": own} if own else {})).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._events.append(answer)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + TIMEOUT
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("Chromium does not answer")
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise TimeoutError("Chromium has ended")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def evaluate(self, program: str) -> Any:  # noqa: ANN401 - JSON
        """Return the value of JavaScript in the page, which its content security policy does not concern."""
        answer = self.call("Runtime.evaluate", {"expression": program, "awaitPromise": True, "returnByValue": True})
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def visit(self, address: str, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Load an address in a window of a size, in pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._events.clear()
        self.call("Page.navigate", {"url": address})
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(self._next())

    def open(self, page: Path, width: int, *, dark: bool = False) -> PageFindings:
        """Load a page in a window of a width, and return what is wrong with it: errors, requests, and faults of its structure."""
        began = time.monotonic()
        self.visit(page.resolve().as_uri(), width, dark=dark)
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found = PageFindings(page, width, seconds=time.monotonic() - began)
        found.faults += [fault for event in self._events for fault in _fault_of(event)]
        found.faults += self.evaluate(FAULTS)
        return found

    def check_with_axe(self, axe: Path) -> list[str]:
        """Return what axe-core finds on the page that is open."""
        self.evaluate(axe.read_text(encoding="utf-8") + "; 0")
        found: list[str] = self.evaluate(AXE)
        return found

    def screenshot(self, path: Path, height: int | None = None) -> None:
        """Write a picture of the page that is open, of its whole height or of `height` pixels from the top."""
        width, whole = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height or whole, whole), "scale": 1}
        answer = self.call("Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(answer["data"]))

    def print_pdf(self, path: Path) -> None:
        """Write the page that is open as it is printed."""
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", {"printBackground": True})["data"]))


def _fault_of(event: dict[str, Any]) -> Iterator[str]:
    """Yield what an event of the browser says against a page: an error, or a request beyond the files of the page."""
    given = event.get("params", {})
    if event.get("method") == "Runtime.exceptionThrown":
        yield f"exception: {given['exceptionDetails'].get('text', '')}"
    if event.get("method") == "Log.entryAdded" and given["entry"]["level"] == "error":
        yield f"console: {given['entry']['text'][:200]}"
    if event.get("method") == "Runtime.consoleAPICalled" and given["type"] == "error":
        yield f"console: {str(given['args'])[:200]}"
    if event.get("method") == "Network.requestWillBeSent" and not given["request"]["url"].startswith(("file:", "data:", "about:")):
        yield f"request: {given['request']['url'][:200]}"


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start a Chromium with a profile of its own, and end it.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    path = find_chromium()
    if path is None:
        raise FileNotFoundError("Chromium is not installed")
    commands, answers = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Chromium reads commands from descriptor 3 and writes answers to 4.
        start = f'exec "$0" "$@" 3<&{commands[0]} 4>&{answers[1]}'
        command = ["bash", "-c", start, path, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, pass_fds=(commands[0], answers[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands[0])
        os.close(answers[1])
        try:
            yield Browser(answers[0], commands[1])
        finally:
            os.close(commands[1])
            os.close(answers[0])
            process.terminate()
            process.wait(30)
