"""Archives, good and bad, and a web server that misbehaves on command."""

import gzip
import hashlib
import io
import os
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import resbench

PIXELS = 3072
NAMES = ["cat", "dog", "frog"]
BATCHES = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]


def batches(rows: int = 4, classes: int = 3, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Random rows uint8 (rows, 3072) and labels for each of the six batches."""
    random = np.random.default_rng(seed)
    return {
        name: (random.integers(0, 256, (rows, PIXELS), np.uint8), random.integers(0, classes, rows)) for name in BATCHES
    }


def python_members(content: dict[str, Any], names: list[Any], protocol: int = 2) -> dict[str, bytes]:
    """File contents of the Python layout, pickled as Python 3 does."""
    members = {"batches.meta": pickle.dumps({b"label_names": names, b"num_vis": PIXELS}, protocol)}
    for name, (rows, labels) in content.items():
        batch = {
            b"batch_label": name.encode(),
            b"labels": labels.tolist(),
            b"data": rows,
            b"filenames": [f"{i}.png".encode() for i in range(len(rows))],
        }
        members[name] = pickle.dumps(batch, protocol)
    return members


class Python2Pickler(pickle._Pickler):
    """Write what Python 2's cPickle wrote, as the official archive has it."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, obj: bytes) -> None:
        short = len(obj) < 256
        self.write(b"U" + bytes([len(obj)]) + obj if short else b"T" + struct.pack("<i", len(obj)) + obj)
        self.memoize(obj)

    def save_str(self, obj: str) -> None:
        self.save_bytes(obj.encode("ascii"))

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = "numpy.core.multiarray" if obj.__name__ == "_reconstruct" else "numpy"
        self.write(f"c{module}\n{obj.__name__}\n".encode())
        self.memoize(obj)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str
    dispatch[type(np.zeros(1).__reduce__()[0])] = save_global
    dispatch[type] = save_global


def python2_dumps(value: Any) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue()


def binary_members(content: dict[str, Any], names: list[str]) -> dict[str, bytes]:
    members = {"batches.meta.txt": "".join(f"{name}\n" for name in [*names, ""]).encode()}
    for name, (rows, labels) in content.items():
        members[f"{name}.bin"] = np.concatenate([labels[:, None].astype(np.uint8), rows], axis=1).tobytes()
    return members


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: Any) -> bytes:
    """One member with header and padding."""
    info = tarfile.TarInfo(name)
    info.size, info.type = len(content), kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT) + content + b"\0" * (-len(content) % 512)


def pack(*entries: bytes) -> bytes:
    return gzip.compress(b"".join(entries) + b"\0" * 1024, 1, mtime=0)


def pack_members(members: dict[str, bytes], folder: str = "cifar-10-batches-py") -> bytes:
    return pack(
        entry(folder, kind=tarfile.DIRTYPE), *(entry(f"{folder}/{name}", data) for name, data in members.items())
    )


def valid_archive(**options: Any) -> bytes:
    return pack_members(python_members(batches(**options), [name.encode() for name in NAMES]))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


Behaviour = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.close_connection = True
        site = self.server.sites[self.path.partition("?")[0]]
        self.server.requests.append((self.path, self.headers.get("Range")))
        behaviours = site.behaviours
        behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        with suppress(BrokenPipeError, ConnectionResetError):  # the client left, as it should from a slow source
            behaviour(self, site.body)

    def log_message(self, *_: object) -> None:
        pass

    @property
    def start(self) -> int:
        wanted = self.headers.get("Range")
        return int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0

    def begin(self, code: int, **headers: object) -> None:
        self.send_response(code)
        self.send_header("Connection", "close")  # or a client may race to reuse it for a redirect
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


@dataclass
class Site:
    body: bytes
    behaviours: list[Behaviour]


@dataclass
class Server(ThreadingHTTPServer):
    """`sites` maps a path to its body and to what each request does in turn, the last one for ever."""

    sites: dict[str, Site] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True

    def add(self, name: str, body: bytes, *behaviours: Behaviour) -> str:
        self.sites[f"/{name}"] = Site(body, list(behaviours) or [serve()])
        return f"http://127.0.0.1:{self.server_port}/{name}"


@contextmanager
def running_server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serve(
    *,
    cut: int | None = None,
    rate: float | None = None,
    etag: str | None = '"v1"',
    ranges: bool = True,
    claim: int | None = None,
    surplus: bytes = b"",
    length: bool = True,
) -> Behaviour:
    """Send the file.

    cut: bytes after which the connection ends; rate: bytes a second; ranges: honour Range; claim: Content-Length
    to state; surplus: bytes sent behind the end; length: whether to state Content-Length at all.
    """

    def behaviour(handler: Handler, body: bytes) -> None:
        start = handler.start if ranges else 0
        if start and start >= len(body):
            handler.begin(416, Content_Range=f"bytes */{len(body)}")
            return
        part = body[start:]
        headers: dict[str, object] = {"Content_Length": claim or len(part)} if length else {}
        if etag:
            headers["ETag"] = etag
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.begin(206 if start else 200, **headers)
        part = (part + surplus)[:cut]
        if rate is None:
            handler.wfile.write(part)
            return
        step = max(1, int(rate / 50))
        for position in range(0, len(part), step):
            handler.wfile.write(part[position : position + step])
            time.sleep(step / rate)

    return behaviour


def status(code: int, **headers: object) -> Behaviour:
    return lambda handler, _: handler.begin(code, Content_Length=0, **headers)


def refused_url() -> str:
    """An address at which nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        return f"http://127.0.0.1:{server.server_port}/nobody"


def run_cli(*arguments: object) -> "subprocess.Popen[str]":
    """`resbench ARGUMENTS` in a process of its own; its stderr is a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "resbench", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(resbench.__file__).parents[1])},
    )


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def mutate(chance: random.Random, data: bytes) -> bytes:
    """One to four edits; half of them near the start or the end, where headers and pickles have their structure."""
    edited = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        near = chance.choice([len(edited), len(edited), min(len(edited), 200)])
        at = chance.randrange(near) if near else 0
        at = len(edited) - 1 - at if chance.random() < 0.25 else at
        size = chance.choice([1, 1, 2, 4, 8, 100])
        match chance.randrange(5):
            case 0:
                edited[at : at + size] = chance.randbytes(size)
            case 1:
                del edited[at : at + size]
            case 2:
                edited[at:at] = chance.randbytes(size)
            case 3:
                edited[at:at] = edited[at : at + size]
            case 4:
                edited[at : at + 1] = bytes(
                    [chance.choice(b"()]}NKMJUTXCBtuesaRbqrhj.c\x80\x85\x86\x87\x8a\x8c\x93\x94\x95\xff\0")]
                )
    return bytes(edited)
