"""What a worker does between the fork and its end: read a request, call the application, write the answer."""

from __future__ import annotations

import gc
import io
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from setproctitle import setproctitle

from tracd_cluster.tracd.answer import Answer, Application
from tracd_cluster.tracd.stack import tell_stack_when_asked
from tracd_cluster.tracd.tuning import Freezer
from tracd_cluster.tracd.wsgi import NO_FILES, Environ, MalformedRequest, RequestReader

PROBE_ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Service:
    """What a worker serves: the application, how each environment begins, and what is done after each request."""

    application: Application
    environ: Environ
    freezer: Freezer | None = None
    compress: bool = False
    close: Callable[[], None] = lambda: None


class LaneEnd:
    """The worker's end of one lane, served by one thread, one request at a time.

    It ends when the front closes the lane, or after ``finish``: then what the front has already written is still
    answered, and what it tries to write later fails there at once, so it knows that nobody has read it.
    """

    def __init__(self, lane: socket.socket, service: Service) -> None:
        self._lane = lane
        self._application = service.application
        self._reader = RequestReader(lane.recv, service.environ)
        self._freezer = service.freezer
        self._compress = service.compress
        self._waiting = False
        self._finishing = False

    def serve(self) -> None:
        """Answer requests until the lane ends. Raises LaneBroken if an answer cannot be completed."""
        try:
            while self._serve_one():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # the front went away in the middle: nobody is left to answer
        finally:
            self._lane.close()

    def _serve_one(self) -> bool:
        # In this order: a signal that comes between the two is seen by one or the other.
        self._waiting = True
        if self._finishing:
            self._stop_reading()
        environ = self._reader.read()
        self._waiting = False
        if environ is None:
            return False
        if "SERVER_NAME" not in environ:
            self._answer_probe(environ)
            return True
        method = environ["REQUEST_METHOD"]
        # What is asked again for want of the file must not be done twice.
        names = environ.pop(NO_FILES, None) is None and method in ("GET", "HEAD")
        accept = environ.get("HTTP_ACCEPT_ENCODING", "") if self._compress else None
        answer = Answer(self._lane.sendall, method == "HEAD", names, accept)
        answer.run(self._application, environ, self._reader.drain)
        if self._freezer is not None:
            del answer, environ
            self._freezer.request_ended()
        return True

    def _answer_probe(self, environ: Environ) -> None:
        if environ["REQUEST_METHOD"] != "OPTIONS":
            raise MalformedRequest(f"not a probe: {environ['REQUEST_METHOD']} *")
        self._lane.sendall(PROBE_ANSWER)

    def finish(self) -> None:
        """End after the request under way; called from a signal handler, so it may come between any two steps."""
        self._finishing = True
        if self._waiting:
            self._stop_reading()

    def _stop_reading(self) -> None:
        with suppress(OSError):  # the front may have closed its end already
            self._lane.shutdown(socket.SHUT_RD)


def run(number: int, generation: int, lanes: list[int], output: int, prepare: Callable[[], Service]) -> int:
    """Be worker ``number``: serve the lanes until the front closes them, and give the exit status.

    ``prepare`` makes the application ready, which may take long when nothing was preloaded; the front notices by
    its probe. ``output`` becomes standard output and standard error.
    """
    setproctitle(f"tracd-cluster: worker {number}, generation {generation}")
    _take_output(output)
    tell_stack_when_asked()  # again: a plugin may have taken the signal while the template was warming
    service = prepare()
    gc.enable()
    ends = [LaneEnd(socket.socket(fileno=lane), service) for lane in lanes]

    def finish(*_: object) -> None:
        for end in ends:
            end.finish()

    signal.signal(signal.SIGTERM, finish)
    threads = [threading.Thread(target=_serve_in_thread, args=(end,), daemon=True) for end in ends[1:]]
    for thread in threads:
        thread.start()
    ends[0].serve()
    for thread in threads:
        thread.join()
    service.close()
    return 0


def _serve_in_thread(end: LaneEnd) -> None:
    """Serve a lane beside the main thread; a fault ends the whole worker, as it would there."""
    try:
        end.serve()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _take_output(output: int) -> None:
    """Let everything that is printed go to the front, line by line, so that it can name the worker on each."""
    for stream, fd in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        os.dup2(output, fd)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    os.close(output)
