"""Fetching, against servers on this machine that break in every way."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from polytask.datasets import download as module
from polytask.datasets.dataset_cache import fetch_dataset_files, find_local_file
from polytask.datasets.download import download
from polytask.datasets.remote_files import REMOTE_FILES, RemoteFile
from polytask.errors import DataError, DownloadError, StorageError

CONTENT = bytes(range(256)) * 400
PACKED = gzip.compress(hashlib.sha256(b"noise").digest() * 40 + CONTENT, mtime=0)
UNPACKED = gzip.decompress(PACKED)
Answer = Callable[[BaseHTTPRequestHandler, int], None]


def send(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, length: int | None = None) -> None:
    """An answer with the length that is said, whatever is sent."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def whole(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Ignores ranges, as Python's own server does."""
    del start
    send(handler, PACKED)


def ranges(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Honours ranges."""
    if start >= len(PACKED):
        send(handler, b"", status=416)
    else:
        send(handler, PACKED[start:], status=206 if start else 200)


def truncated(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Breaks off in the middle."""
    send(handler, PACKED[start : len(PACKED) // 2], status=206 if start else 200, length=len(PACKED) - start)


def corrupted(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Has one wrong byte."""
    del start
    send(handler, PACKED[:50] + bytes([PACKED[50] ^ 1]) + PACKED[51:])


def other(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Is a good file, but another one."""
    del start
    send(handler, gzip.compress(b"something else"))


def slow(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Falls silent."""
    del start
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PACKED)))
    handler.end_headers()
    handler.wfile.write(PACKED[:10])
    time.sleep(1.5)


def missing(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Has no such file."""
    del start
    handler.send_error(404)


def endless(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Never stops."""
    del start
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(1_000):
            handler.wfile.write(bytes(10_000))
    except OSError:
        return


@contextmanager
def server(answer: Answer) -> Iterator[tuple[str, list[int]]]:
    """A server that answers so: its address, and where the requests began."""
    starts: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            starts.append(start)
            answer(self, start)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}/", starts
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def file_from(*mirrors: str) -> RemoteFile:
    """The file that the servers have."""
    digests = hashlib.sha256(UNPACKED).hexdigest(), hashlib.md5(UNPACKED, usedforsecurity=False).hexdigest()
    return RemoteFile("toy", "bytes", len(UNPACKED), *digests, mirrors)


def left(folder: Path) -> set[str]:
    """What lies in the folder."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("answer", [whole, ranges])
def test_a_file_is_fetched(tmp_path: Path, answer: Answer) -> None:
    seen: list[tuple[str, int, int | None]] = []
    with server(answer) as (address, _):
        path = download(file_from(address), tmp_path / "toy", lambda *progress: seen.append(progress))
    assert path.read_bytes() == PACKED
    assert seen[-1] == ("toy/bytes.gz", len(PACKED), len(PACKED))
    assert left(tmp_path / "toy") == {"bytes.gz"}


@pytest.mark.parametrize("answer", [truncated, corrupted, other, slow, missing, endless])
def test_a_bad_mirror_is_one_line_and_leaves_no_file(tmp_path: Path, answer: Answer) -> None:
    with server(answer) as (address, _), pytest.raises(DownloadError) as caught:
        download(file_from(address), tmp_path / "toy", timeout=0.3)
    assert "\n" not in str(caught.value)
    assert f"Put the file into {tmp_path / 'toy'}" in str(caught.value)
    assert "bytes.gz" not in left(tmp_path / "toy")
    assert not any(name.endswith(".lock") for name in left(tmp_path / "toy"))


@pytest.mark.parametrize("answer", [truncated, corrupted, other, slow, missing, endless])
def test_the_second_mirror_helps(tmp_path: Path, answer: Answer) -> None:
    with server(answer) as (bad, _), server(ranges) as (good, _):
        assert download(file_from(bad, good), tmp_path / "toy", timeout=1.0).read_bytes() == PACKED


def test_a_broken_download_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    with server(truncated) as (address, _), pytest.raises(DownloadError, match="broke off"):
        download(file_from(address), tmp_path / "toy")
    with server(ranges) as (address, starts):
        assert download(file_from(address), tmp_path / "toy").read_bytes() == PACKED
    assert starts == [len(PACKED) // 2]


def test_a_server_without_ranges_starts_again(tmp_path: Path) -> None:
    with server(truncated) as (address, _), pytest.raises(DownloadError):
        download(file_from(address), tmp_path / "toy")
    with server(whole) as (address, starts):
        assert download(file_from(address), tmp_path / "toy").read_bytes() == PACKED
    assert starts == [len(PACKED) // 2]


@pytest.mark.parametrize("remains", [b"rubbish", PACKED + b"too much", PACKED])
def test_whatever_an_earlier_attempt_left(tmp_path: Path, remains: bytes) -> None:
    (tmp_path / ".bytes.gz.part").write_bytes(remains)
    with server(ranges) as (address, _):
        assert download(file_from(address), tmp_path).read_bytes() == PACKED


def test_no_network(tmp_path: Path) -> None:
    with server(whole) as (address, _):
        pass  # and now nobody listens there
    with pytest.raises(DownloadError, match=r"cannot be fetched .*refused"):
        download(file_from(address), tmp_path)


def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    found: list[bytes] = []
    with server(ranges) as (address, starts):
        file = file_from(address)
        threads = [threading.Thread(target=lambda: found.append(download(file, tmp_path).read_bytes())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=300)
    assert found == [PACKED] * 4
    assert len(starts) == 1


def test_a_lock_of_a_dead_process_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / ".bytes.gz.lock").write_text("999999999")
    with server(ranges) as (address, _):
        assert download(file_from(address), tmp_path).read_bytes() == PACKED


def test_a_full_disk_is_the_disks_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with server(ranges) as (address, _), pytest.raises(StorageError, match="the disk is full"):
        download(file_from(address), tmp_path)
    assert "bytes.gz" not in left(tmp_path)


def test_a_file_where_the_cache_must_be(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("mine")
    with pytest.raises(StorageError, match="a file exists where a folder is needed"):
        download(file_from("http://127.0.0.1:1/"), tmp_path / "toy")


def test_data_are_looked_for_in_the_named_folder_then_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unset_data_folder: Path
) -> None:
    with server(ranges) as (address, starts):
        file = file_from(address)
        cached = fetch_dataset_files([file])[file]
        assert cached.is_relative_to(unset_data_folder)
        assert fetch_dataset_files([file])[file] == cached
        assert len(starts) == 1
    (tmp_path / "named" / "toy").mkdir(parents=True)
    (tmp_path / "named" / "toy" / "bytes").write_bytes(UNPACKED)
    monkeypatch.setenv("POLYTASK_DATA", str(tmp_path / "named"))
    assert find_local_file(file) == tmp_path / "named" / "toy" / "bytes"
    (tmp_path / "named" / "toy" / "bytes").write_bytes(UNPACKED[:-1])
    with pytest.raises(DataError, match="the content is not that of the publisher's file"):
        fetch_dataset_files([file])
    monkeypatch.setenv("POLYTASK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(StorageError, match="must be an existing folder"):
        fetch_dataset_files([file])


def test_without_a_network_all_missing_files_are_named(unset_data_folder: Path) -> None:
    with server(missing) as (address, _), pytest.raises(DownloadError) as caught:
        fetch_dataset_files([replace(file, mirrors=(address,)) for file in REMOTE_FILES])
    assert all(f"{file.folder}/{file.packed}" in str(caught.value) for file in REMOTE_FILES)
    assert str(unset_data_folder) in str(caught.value)


def test_the_table_of_files_is_whole() -> None:
    assert len({(file.folder, file.name) for file in REMOTE_FILES}) == len(REMOTE_FILES) == 19
    for file in REMOTE_FILES:
        assert (len(file.sha256), len(file.md5)) == (64, 32)
        assert len(file.mirrors) != 1  # two at least, or none: those are looked for, and not fetched
        assert all(mirror.endswith("/") for mirror in file.mirrors)
