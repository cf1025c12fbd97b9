"""`polytask data`: what is listed, described and fetched, with a publisher on this machine."""

from __future__ import annotations

import gzip
import hashlib
import re
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from polytask.cli import app, main
from polytask.datasets import get_dataset
from polytask.datasets.mnist_fashion import MnistFashion
from polytask.datasets.remote_files import RemoteFile
from polytask.errors import PolytaskError
from polytask.registry import specs_of

Say = Callable[..., tuple[int, str, str]]
CONTENTS = {"one": b"first " * 5_000, "two": b"second " * 5_000}


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs `polytask data ...`: its exit code, what it printed, and what it complained about."""
    monkeypatch.setenv("COLUMNS", "200")
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["polytask", "data", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        output = capsys.readouterr()
        assert isinstance(code, int)
        return code, output.out, output.err

    return run


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a server gives out; the full data are two small files, of one name in two folders, that lie there."""
    folder = tmp_path / "publisher"
    for name, content in CONTENTS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "bytes.gz").write_bytes(gzip.compress(content))
    running = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder)))
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{running.server_address[1]}"
    files = tuple(
        RemoteFile(name, "bytes", len(content), hashlib.sha256(content).hexdigest(), "", (f"{address}/{name}/",))
        for name, content in CONTENTS.items()
    )
    monkeypatch.setattr(MnistFashion, "files", files)
    yield folder
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.mark.usefixtures("unset_data_folder")
def test_list_says_what_is_here_and_what_can_be_had(say: Say) -> None:
    code, out, err = say("list")
    assert (code, err) == (0, "")
    rows = specs_of("data set")
    assert [line.split(":")[0] for line in out.splitlines() if not line.startswith(" ")] == [row.name for row in rows]
    fetched = {row.name: all(file.mirrors for file in get_dataset(row.name).files) for row in rows}
    assert [f"full: polytask data fetch {name}\n" in out for name in fetched] == list(fetched.values())
    assert out.count("POLYTASK_DATA") == list(fetched.values()).count(False)
    assert out.count("sample: ships with polytask") == sum("sample" in get_dataset(row.name).sizes for row in rows)


@pytest.mark.parametrize(("arguments", "training"), [([], "2,000"), (["--size", "full"], "60,000")])
def test_describe(say: Say, unset_data_folder: Path, arguments: list[str], training: str) -> None:
    code, out, err = say("describe", "mnist-fashion", *arguments)
    assert (code, err) == (0, "")
    files = f"0 of {len(MnistFashion.files)} files"
    for text in (f"{training} training", "digit", "Ankle boot", "CC BY-SA 3.0", "MIT", files, str(unset_data_folder)):
        assert text in out


@pytest.mark.usefixtures("unset_data_folder")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("describe", "mnist-fashon"), "Did you mean 'mnist-fashion'"),
        (("describe", "mnist-fashion", "--size", "ful"), "Did you mean 'full'"),
        (("fetch", "mnist-fashon"), "Did you mean 'mnist-fashion'"),
    ],
)
def test_what_there_is_not_is_one_line(say: Say, arguments: tuple[str, ...], text: str) -> None:
    code, out, err = say(*arguments)
    assert (code, out, err.count("\n")) == (app.EXIT_USER_ERROR, "", 1)
    assert text in err


@pytest.mark.usefixtures("publisher")
def test_fetch_says_where_the_files_are_and_whether_they_were_there(say: Say, unset_data_folder: Path) -> None:
    paths = [unset_data_folder / "polytask" / name / "bytes.gz" for name in CONTENTS]
    code, out, err = say("fetch", "mnist-fashion")
    assert (code, err) == (0, "")
    *begun, first, second = out.splitlines()
    assert [re.sub(r"\d+ bytes", "N bytes", line) for line in begun] == [f"fetching {name}/bytes.gz, N bytes" for name in CONTENTS]
    assert [first, second] == [f"{path} (downloaded, checksum verified)" for path in paths]
    assert [gzip.decompress(path.read_bytes()) for path in paths] == list(CONTENTS.values())

    code, out, err = say("fetch", "mnist-fashion")
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"{path} (already present, checksum verified)" for path in paths]


@pytest.mark.usefixtures("publisher")
def test_quiet_says_nothing(say: Say, unset_data_folder: Path) -> None:
    assert say("fetch", "mnist-fashion", "--quiet") == (0, "", "")
    assert len(list(unset_data_folder.rglob("bytes.gz"))) == 2


@pytest.mark.usefixtures("publisher", "unset_data_folder")
def test_a_terminal_gets_a_bar_for_each_file(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, _ = say("fetch", "mnist-fashion")
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out)
    assert all(f"{name}/bytes.gz" in plain for name in CONTENTS)
    assert "fetching" not in plain
    assert "━" in plain


def test_a_publisher_without_the_files_is_one_line_that_names_them(say: Say, publisher: Path, unset_data_folder: Path) -> None:
    for name in CONTENTS:
        (publisher / name / "bytes.gz").unlink()
    code, out, err = say("fetch", "mnist-fashion")
    assert (code, out, err.count("\n")) == (app.EXIT_USER_ERROR, "", 1)
    assert "one/bytes.gz, two/bytes.gz" in err
    assert str(unset_data_folder) in err


@pytest.mark.usefixtures("publisher")
def test_a_wrong_file_in_the_named_folder_is_named_and_stays(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "named" / "one" / "bytes"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    monkeypatch.setenv("POLYTASK_DATA", str(tmp_path / "named"))
    code, out, err = say("fetch", "mnist-fashion")
    assert (code, out, err.count("\n")) == (app.EXIT_USER_ERROR, "", 1)
    assert str(mine) in err
    assert mine.read_bytes() == b"mine"


class _LoadedError(PolytaskError):
    """The files are there: what comes after them is another test's."""


COMMANDS = ["study", "train"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Say:
    """Runs `polytask study` or `train` on the full data, up to where they are there."""

    def loaded(_: MnistFashion) -> None:
        raise _LoadedError("loaded")

    monkeypatch.setattr(MnistFashion, "training", loaded)

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["polytask", name, "mnist-fashion", "--size", "full", "--out", str(tmp_path / "out"), *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, output.out, output.err

    return run


@pytest.mark.usefixtures("publisher")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_tells_how_far_its_downloads_are(command: Say, unset_data_folder: Path, name: str) -> None:
    code, out, err = command(name)
    assert (code, err) == (app.EXIT_USER_ERROR, "error: loaded.\n")
    assert [line.split(",")[0] for line in out.splitlines()] == [f"fetching {file}/bytes.gz" for file in CONTENTS]
    assert len(list(unset_data_folder.rglob("bytes.gz"))) == 2
    assert command(name)[1] == "", "what is there is not fetched again"


@pytest.mark.usefixtures("publisher", "unset_data_folder")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_quiet_run_says_nothing_of_its_downloads(command: Say, name: str) -> None:
    assert command(name, "--quiet")[1] == ""


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("publisher")
@pytest.mark.parametrize("name", [*COMMANDS, "data"])
def test_ctrl_c_while_fetching_says_what_is_kept(
    command: Say, say: Say, unset_data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("polytask.datasets.dataset_cache.download", interrupted)
    code, _, err = say("fetch", "mnist-fashion") if name == "data" else command(name)
    assert code == 130
    assert err == f"interrupted. Downloaded data are kept in {unset_data_folder / 'polytask'}; run the same command again to resume\n"
