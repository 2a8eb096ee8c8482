"""The template: a warm process with one thread that forks workers on command and reaps them.

``python -m tracd_cluster.tracd.template``, started by the front with the control link on descriptor 3 (link.py has
the messages). It imports Trac, opens the environments, visits a few pages, closes every connection, and from then on
does nothing but fork: a worker is there, warm, within a few milliseconds.

Note [What must not cross a fork]. A second thread would be missing in the worker while the locks it held stay locked.
A database connection or a child process would be shared by all workers. So after warming both are looked for; if a
plugin has left one, the template starts itself anew without preloading: it then only imports Trac, and every worker
opens and warms for itself. Slower, still right.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from setproctitle import setproctitle

from tracd_cluster.tracd import worker
from tracd_cluster.tracd.answer import LaneBroken
from tracd_cluster.tracd.environments import CannotServe
from tracd_cluster.tracd.faults import file_of, trace_of
from tracd_cluster.tracd.link import ControlLink, Message, parse_configure
from tracd_cluster.tracd.preparation import Preparation
from tracd_cluster.tracd.stack import tell_stack_when_asked

LINK = 3
HANDED_OVER = "TRACD_CLUSTER_HANDED_OVER"
"""The descriptor of what a template leaves for itself when it starts anew."""

ORPHANED_AFTER = 5.0
"""Seconds that workers have to end by themselves when the front has gone; their lanes have ended with it."""
SETTLE = 0.5
"""Seconds that a child process of a visited page has to end: commands are closed, but not always waited for."""


class Template:
    """The process after it has got ready: it waits for commands and for the end of workers."""

    def __init__(self, link: ControlLink, preparation: Preparation) -> None:
        self._link = link
        self._preparation = preparation
        self._configuration = preparation.configuration
        self._workers: dict[int, int] = {}
        """The number of each worker that runs, by its process id."""
        self._leaving = False
        self._kill_at: float | None = None
        self._wakeup, self._wakeup_signals = socket.socketpair()
        for end in (self._wakeup, self._wakeup_signals):
            end.setblocking(False)

    def serve(self) -> None:
        """Fork and reap until the front says ``quit``, or has gone, and no worker is left."""
        signal.set_wakeup_fd(self._wakeup_signals.fileno())
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)  # any handler will do: it is the wakeup that counts
        waiting = select.poll()
        waiting.register(self._wakeup, select.POLLIN)
        waiting.register(self._link, select.POLLIN)
        while self._workers or not self._leaving:
            for fd, _ in waiting.poll(self._patience()):
                if fd == self._wakeup.fileno():
                    self._reap()
                elif not self._obey():
                    waiting.unregister(fd)
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                for pid in self._workers:
                    os.kill(pid, signal.SIGKILL)
                return

    def _patience(self) -> int | None:
        """Milliseconds until something is due."""
        if self._kill_at is None:
            return None
        return max(0, int((self._kill_at - time.monotonic()) * 1000) + 1)

    def _obey(self) -> bool:
        """Do what the front says; False once it has gone."""
        if not self._link.receive():
            self._leaving = True
            self._kill_at = time.monotonic() + ORPHANED_AFTER
            return False
        while (taken := self._link.take()) is not None:
            message, descriptors = taken
            if message.get("type") == "fork":
                self._fork(message["worker"], descriptors)
            elif message.get("type") == "quit":
                self._leaving = True
        return True

    def _fork(self, number: int, descriptors: list[int]) -> None:
        """Make worker ``number``, and tell the front."""
        wanted = self._configuration.threads + 1
        try:
            if len(descriptors) != wanted:
                raise OSError(f"{wanted} descriptors expected, {len(descriptors)} received")
            pid = os.fork()
        except OSError as error:
            self._link.send(type="fork-failed", worker=number, error=str(error))
        else:
            if not pid:
                self._become_worker(number, descriptors)
            self._workers[pid] = number
            self._link.send(type="forked", worker=number, pid=pid)
        for fd in descriptors:
            os.close(fd)

    def _become_worker(self, number: int, descriptors: list[int]) -> NoReturn:
        """Drop all that is the template's, and never come back."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._wakeup.close()
            self._wakeup_signals.close()
            self._link.close()
            *lanes, output = descriptors
            status = worker.run(number, self._configuration.generation, lanes, output, self._preparation.service)
        except (CannotServe, LaneBroken) as fault:
            sys.stderr.write(f"{fault}\n")
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            # Nothing that was registered to run at the template's exit is the worker's business.
            os._exit(status)

    def _reap(self) -> None:
        """Report the workers that have ended."""
        with suppress(BlockingIOError):
            while self._wakeup.recv(1024):
                pass
        for pid in list(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                number = self._workers.pop(pid)
                code = os.waitstatus_to_exitcode(status)
                self._link.send(type="exited", worker=number, pid=pid, status=code)


def main() -> int:
    """Get ready, then serve; give the exit status."""
    started = time.monotonic()
    _calm_signals()
    link = ControlLink(LINK)
    orders = _receive_hand_over() or {"configure": link.receive_first(), "warnings": [], "started": started}
    if orders["configure"] is None:
        return 1
    try:
        with _front_watched(link):
            preparation = _prepare(link, orders)
    except CannotServe as fault:
        link.send(type="failed", step=fault.step, error=fault.error, traceback=fault.trace, file=fault.file)
        return 1
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}"
        link.send(type="failed", step="get ready", error=text, traceback=trace_of(error), file=file_of(error))
        return 1
    template = Template(link, preparation)
    link.send(
        type="ready",
        seconds=round(time.monotonic() - orders["started"], 3),
        preloaded=preparation.configuration.preload,
        warnings=orders["warnings"] + preparation.warnings,
        **{**preparation.report(), **orders.get("found", {})},
    )
    template.serve()
    return 0


def _calm_signals() -> None:
    """Leave Ctrl-C and hang-up, which reach the whole group, to the front; workers inherit this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tell_stack_when_asked()
    # Only now: the front holds them back until they are ignored (signals.py).
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _prepare(link: ControlLink, orders: Message) -> Preparation:
    """Do all that workers share; start anew if it left something behind (Note [What must not cross a fork])."""
    try:
        configuration = parse_configure(orders["configure"])
    except ValueError as error:
        raise CannotServe("read the configuration", str(error)) from error
    setproctitle(f"tracd-cluster: template, generation {configuration.generation}")
    os.umask(configuration.umask)
    link.expect_forks(configuration.threads + 1)
    gc.disable()  # it would run for nothing again and again while modules load; workers turn it on
    preparation = Preparation(configuration)
    preparation.in_template()
    leftovers = _leftovers()
    if leftovers and configuration.preload:
        warning = f"not preloaded, because warming left {leftovers} in the template; workers start more slowly"
        configure = {**orders["configure"], "preload": False}
        # What it has found out is still true, and its successor will not find it out.
        found = preparation.report()
        _start_anew(link, {**orders, "configure": configure, "warnings": [warning], "found": found})
    elif leftovers:
        preparation.warnings.append(f"the template has {leftovers}, which workers will not have")
    return preparation


def _leftovers() -> str:
    """Name the threads and child processes that warming left; empty if there are none."""
    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
    if names or tasks > 1:
        return f"a thread ({', '.join(names) or 'not of Python'})"
    until = time.monotonic() + SETTLE
    while _has_child():
        if time.monotonic() > until:
            return "a child process"
        # What a plugin has done with SIGCHLD is not ours to change: so nobody tells of the end of a child.
        time.sleep(0.01)  # noqa: TID251
    return ""


def _has_child() -> bool:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _start_anew(link: ControlLink, hand_over: Message) -> NoReturn:
    """Become a fresh template, which gets ``hand_over`` in a file without a name."""
    _end_children()
    signal.setitimer(signal.ITIMER_REAL, 0)  # a timer outlives exec, its handler does not
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(hand_over).encode())
        file.flush()
        os.set_inheritable(file.fileno(), True)
        os.environ[HANDED_OVER] = str(file.fileno())
        link.keep_over_exec()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - itself


def _end_children() -> None:
    """Ask child processes to end that nobody will know of any more."""
    with suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as children:
        for pid in children.read().split():
            os.kill(int(pid), signal.SIGTERM)


def _receive_hand_over() -> Message:
    """Give what this process left for itself, if it has been started anew."""
    fd = os.environ.pop(HANDED_OVER, None)
    if fd is None:
        return {}
    with open(int(fd), "rb") as file:
        file.seek(0)
        return dict(json.load(file))


@contextmanager
def _front_watched(link: ControlLink) -> Iterator[None]:
    """End at once if the front goes away while Trac is being opened, which may take long and hears nothing."""

    def look(*_: object) -> None:
        if link.front_has_gone():
            os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
