"""The one tree of exceptions, and the one map from them to HTTP statuses."""

from __future__ import annotations

from math import ceil


class TracdClusterError(Exception):
    """Base of all that this package raises on purpose."""

    refused_for = ""
    """As what it is counted, where it says that a request was refused without having been looked at."""


class ConfigError(TracdClusterError):
    """A setting that cannot be used: the message names the option, its value and what was expected."""


class StartError(TracdClusterError):
    """A reason why serving cannot begin; the message is for the operator and names the cause."""


class ClientFault(TracdClusterError):
    """A request that is refused because of what the client sent.

    ``status`` is the HTTP status of the answer, ``reason`` one plain sentence for it, ``lines`` whole header lines
    that go with it.
    """

    def __init__(self, status: int, reason: str, lines: bytes = b"") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.lines = lines


class NoRoom(ClientFault):
    """A request body that there is no room for, at the moment (503) or ever (507)."""

    refused_for = "no_room"


class KindRefused(ClientFault):
    """A request for a page that nobody gets, because of its kind."""

    refused_for = "kind"


class SignInWanted(KindRefused):
    """A request for a page that only who has signed in gets; ``login`` is where that is done, safe in HTML."""

    def __init__(self, login: str) -> None:
        super().__init__(403, "This page is much work for the server, so it is for those only who have signed in.")
        self.login = login


class TooMany(ClientFault):
    """A client that asks for more than its share: too much ``at_once``, or too soon, by ``wait`` seconds."""

    def __init__(self, at_once: bool, wait: float) -> None:
        what = "are under way" if at_once else "have come"
        reason = f"Too many requests {what} from your network address. Whoever signs in is not held up."
        super().__init__(429, reason, b"Retry-After: %d\r\n" % max(1, ceil(wait)))
        self.refused_for = "at_once" if at_once else "rate"


class WorkerFault(TracdClusterError):
    """A worker that did not do its part of an exchange."""


class MalformedAnswer(WorkerFault):
    """The worker's bytes are not an HTTP/1.1 answer."""


class WorkerLost(WorkerFault):
    """The worker ended before its answer did."""


class AnswerTimeout(WorkerFault):
    """The worker took longer than the request's deadline."""


class LineFault(TracdClusterError):
    """The waiting line did not lead to a worker."""


class LineFull(LineFault):
    """The waiting line has no place left."""

    refused_for = "line_full"


class TooBusy(LineFault):
    """Requests of this class do not wait at the moment."""

    refused_for = "class"


class LineTimeout(LineFault):
    """The request waited longer than allowed."""

    refused_for = "line_timeout"


class NobodyServing(LineFault):
    """No worker is there and none is expected soon."""

    refused_for = "nobody"


STATUS: dict[type[TracdClusterError], int] = {
    MalformedAnswer: 502,
    WorkerLost: 502,
    AnswerTimeout: 504,
    LineFull: 503,
    LineTimeout: 503,
    TooBusy: 503,
    NobodyServing: 503,
}


def status_of(error: TracdClusterError) -> int:
    """Give the HTTP status that tells a client of ``error``; 500 for what no client should ever cause."""
    if isinstance(error, ClientFault):
        return error.status
    return STATUS.get(type(error), 500)
