"""A file on its way to one client: by sendfile on a plain socket, in large reads under TLS.

It is the transport's pull producer meanwhile: asked for more whenever all that was written has left, so what it gives
to the socket itself never overtakes anything. No worker is held, and the reactor not for long: a turn is one piece. A
piece that is not in the page cache is waited for; that is a disk's few milliseconds, and a thread for each would cost
more with files that are.

Note [True to the end]. Before each piece, and after each that was read, the file is looked at: once it has been
written to, the connection is cut, and the client sees that it has not got all. The last bytes are always read, and
then looked at, so that nobody gets a whole file that has changed under way. What sendfile has handed to the kernel is
the file's own pages: who writes into a file in its place within the moments until they have left can still change
them. Where a new file is put in its place, the old one is sent to its end.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from secrets import token_hex
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IPullProducer
from twisted.logger import Logger
from zope.interface import implementer

from tracd_cluster.errors import MalformedAnswer
from tracd_cluster.front.client import Client
from tracd_cluster.front.head import Head
from tracd_cluster.front.named import NO_FILES, FileChanged, Named
from tracd_cluster.front.ranges import Piece, Selected, conditions, select
from tracd_cluster.front.record import Record
from tracd_cluster.front.reply import Reply
from tracd_cluster.rewrite.headers import Field
from tracd_cluster.upstream.framing import AnswerReader

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front

log = Logger()

READ_SIZE = 256 * 1024
"""Bytes read at a time: sixteen records of TLS."""

SENDFILE_SIZE = 1 << 20
"""Bytes that the kernel is asked to send at a time; it takes what the socket has room for."""

TAIL = 64 * 1024
"""Bytes at the end of a range, or all of a small one, that are read."""

_NO_SENDFILE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""What sendfile says of a file or a socket that it cannot serve."""

Done = Callable[[bool], None]


@implementer(IPullProducer)
class Sending:
    """Sends what a request gets of a file.

    Lifetime. The descriptor is open from the start until ``done``, which is told once whether all was sent, or until
    the transport has gone, after which nothing is told.
    """

    __slots__ = (
        "_asked", "_client", "_done", "_fd", "_front", "_named", "_pieces", "_record", "_socket", "fields", "selected",
    )  # fmt: skip

    def __init__(
        self, front: Front, client: Client, head: Head, record: Record, named: Named, fields: list[Field], done: Done
    ) -> None:
        """Decide what the request gets, and open the file if it gets any of it.

        Raises OSError or FileChanged if the file is not there as it was named.
        """
        self._front = front
        self._client = client
        self._record = record
        self._named = named
        self._done: Done | None = done
        self._asked = False
        whole, self.fields = named.whole(fields)
        boundary = token_hex(12).encode("ascii")
        self.selected: Selected = select(conditions(head.lines), head.method, whole, front.now, boundary)
        body = self.selected.body if head.method != b"HEAD" else ()
        self._pieces: deque[Piece] = deque(body)
        self._fd = named.open() if body else -1
        # Encrypted transports have no handle.
        handle = getattr(client.transport, "getHandle", None)
        self._socket: int = handle().fileno() if handle is not None and hasattr(os, "sendfile") else -1

    def begin(self, reply: Reply) -> None:
        """Send the head, and with it a file that is small; else go on as the client takes it."""
        client, front = self._client, self._front
        client.deadline = front.now + front.body_timeout
        self._pieces.appendleft(reply.begin_file(self.selected, self.fields, client.standing, front.draining))
        try:
            self._write(self._read())
        except (OSError, FileChanged):
            self._end(False)
            return
        if not self._pieces and not client.paused:
            self._end(True)
            return
        transport = client.transport
        transport.unregisterProducer()
        transport.registerProducer(self, False)

    # -- the transport's side

    def resumeProducing(self) -> None:  # noqa: N802
        """Send the next piece; all before it has left."""
        if self._done is None:
            return
        client = self._client
        client.deadline = self._front.now + self._front.body_timeout
        client.paused = True
        if self._asked:
            if not self._pieces:
                self._give_back()
                self._end(True)
                return
            try:
                self._send_piece()
            except (OSError, FileChanged):
                self._end(False)
                return
        # Twisted asks a first time while something may still be on its way.
        self._asked = True
        client.transport.startWriting()

    def stopProducing(self) -> None:  # noqa: N802
        """Close the file, and tell nobody: the client has gone."""
        self._done = None
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    # -- inside

    def _send_piece(self) -> None:
        piece = self._pieces[0]
        if self._socket < 0 or isinstance(piece, bytes) or len(piece) <= TAIL:
            self._write(self._read())
            return
        self._named.check(self._fd)
        size = min(len(piece) - TAIL, SENDFILE_SIZE)
        try:
            sent = os.sendfile(self._socket, self._fd, piece.start, size)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                raise
            self._socket = -1
            return
        if not sent:
            raise FileChanged("it has become shorter")
        self._pieces[0] = piece[sent:]
        self._record.sent += sent

    def _write(self, data: bytes) -> None:
        self._record.sent += len(data)
        self._client.write(data)

    def _read(self) -> bytes:
        """Read what is next, up to READ_SIZE; where sendfile serves, only what is beside it."""
        out: list[bytes] = []
        room = READ_SIZE
        pieces, fd = self._pieces, self._fd
        while pieces and room > 0:
            piece = pieces[0]
            if isinstance(piece, bytes):
                data = piece
                pieces.popleft()
            elif out and self._socket >= 0 and len(piece) > TAIL:
                break
            else:
                data = os.pread(fd, min(len(piece), room), piece.start)
                if not data:
                    raise FileChanged("it has become shorter")
                if len(data) < len(piece):
                    pieces[0] = piece[len(data) :]
                else:
                    pieces.popleft()
            out.append(data)
            room -= len(data)
        if fd >= 0:
            self._named.check(fd)
        return b"".join(out)

    def _give_back(self) -> None:
        """Let the transport tell its connection again when the client does not take what is written."""
        client = self._client
        client.paused = False
        client.transport.unregisterProducer()
        client.transport.registerProducer(client, True)

    def _end(self, whole: bool) -> None:
        done = self._done
        self.stopProducing()
        if done is not None:
            done(whole)


def sending_of(front: Front, client: Client, record: Record, reader: AnswerReader, done: Done) -> Sending | None:
    """Give what sends the file that a worker has named.

    None if it is not there as it was named: then the request's head says to the next worker that it must send bytes.
    Raises MalformedAnswer if one has not obeyed that.
    """
    head = record.head
    assert head is not None
    try:
        sending = Sending(front, client, head, record, Named.read(reader.file), reader.fields, done)
        record.by = "file"
        return sending
    except (OSError, FileChanged, ValueError) as error:
        if NO_FILES in head.lines:
            raise MalformedAnswer("a file was named where its bytes were asked for") from error
        target = head.target.decode("latin-1")
        log.info("{target} is asked for again, without the name of its file: {error}", target=target, error=error)
        head.lines.append(NO_FILES)
        return None
