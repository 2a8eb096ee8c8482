"""WSGI applications that do what Trac should never do, served by real workers in place of Trac."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.integration.gate import go_through

StartResponse = Callable[..., Callable[[bytes], object]]


def misbehaving(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Do what the path says."""
    deed = DEEDS[environ["PATH_INFO"].strip("/")]
    return deed(environ, start_response)


def hello(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer well."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]


def pid(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Tell which process serves."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]


def digest(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Tell what has arrived: its length and its hash."""
    found = hashlib.sha256()
    length = 0
    while data := environ["wsgi.input"].read(65536):
        found.update(data)
        length += len(data)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{length} {found.hexdigest()}".encode()]


def hang(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Never come back."""
    while True:
        signal.pause()


def hang_in_c(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Never come back from a library, which no exception could end."""
    re.match(r"(a+)+$", "a" * 60 + "b")
    raise AssertionError("the expression should take longer than the universe")


def wait(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Wait at the gate that the query names."""
    go_through(environ["QUERY_STRING"].partition("&")[0])
    return hello(environ, start_response)


def leak(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Keep ten megabytes for ever."""
    LEAKED.append(bytes([1]) * 10_000_000)
    return pid(environ, start_response)


def raise_(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Fail before anything has left."""
    raise RuntimeError("the application is broken")


def fail_halfway(environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
    """Fail after a part has left."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"x" * 200_000
    raise RuntimeError("halfway")


def die(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Take the process along."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def stream(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Give ten megabytes of unknown length."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (bytes([n % 256]) * 100_000 for n in range(100))


def vanishing(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a file whose name is gone by then, though the file has another one; the query counts the times."""
    with open(environ["QUERY_STRING"], "a") as counter:
        counter.write("v")
    name = f"{environ['QUERY_STRING']}.{os.getpid()}"
    with open(name, "wb") as made:
        made.write(b"v" * 300_000)
    file = open(name, "rb")  # noqa: SIM115 - the server closes it
    os.replace(name, name + ".other")
    start_response("200 OK", [("Content-Length", "300000")])
    return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]


def file(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the file that the query names."""
    found = open(environ["QUERY_STRING"], "rb")  # noqa: SIM115 - the server closes it
    start_response("200 OK", [("Content-Length", str(os.fstat(found.fileno()).st_size))])
    return environ["wsgi.file_wrapper"](found)  # type: ignore[no-any-return]


LEAKED: list[bytes] = []

DEEDS: dict[str, Callable[[dict[str, Any], StartResponse], Iterable[bytes]]] = {
    "": hello,
    "pid": pid,
    "digest": digest,
    "hang": hang,
    "hang-in-c": hang_in_c,
    "wait": wait,
    "leak": leak,
    "raise": raise_,
    "halfway": fail_halfway,
    "die": die,
    "stream": stream,
    "vanishing": vanishing,
    "file": file,
}
