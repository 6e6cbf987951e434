# SPDX-License-Identifier: Apache-2.0
"""A cable between a client and a server, with faults on demand. Loopback only, and threads only."""

import socket
import struct
import threading
from collections.abc import Callable
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

Side = Literal["client", "server"]
Then = Literal["cut", "hang"]

COMMIT = b"\x03COMMIT"
"""The packet of PyMySQL's COMMIT from its command byte on."""
PUBLISH = b"\x00\x3c\x00\x28"
"""AMQP's class 60, method 40: basic.publish. The broker's next word is the confirm."""
RESERVE = b"PUT /internal/reservations"
"""How orders asks catalog for units."""

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset instead of a farewell."""


class Proxy:
    """Listens on a port of its own and passes everything on, until told otherwise.

    Attributes:
        port: Stays the same for life, also while nobody listens.
        connections: How many clients came so far.
        swallowed: How many answers were swallowed so far; 0 means that a test proved nothing.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.connections = 0
        self.swallowed = 0
        self._cables: set[_Cable] = set()
        self._lock = threading.Lock()
        self._healed = threading.Event()
        self._forget_faults()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._serve()

    @classmethod
    def before(cls, url: str, default_port: int = 0) -> Self:
        """A proxy before the server that *url* names."""
        there = urlsplit(url)
        return cls(str(there.hostname), there.port or default_port)

    def url(self, url: str) -> str:
        """*url* with this proxy in its server's place; user and password stay."""
        there = urlsplit(url)
        user, at, _ = there.netloc.rpartition("@")
        return urlunsplit(there._replace(netloc=f"{user}{at}127.0.0.1:{self.port}"))

    def heal(self) -> None:
        """No fault any more. What a stall held back is lost: those connections are reset."""
        self._healed.set()
        self._healed = threading.Event()
        self._forget_faults()
        for cable in self._open_cables():
            cable.swallows = None
            if cable.is_broken:
                cable.reset()
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._serve()

    def refuse(self) -> None:
        """The server is gone: nobody listens, and open connections are reset."""
        # Closing alone would not wake the thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def stall(self) -> None:
        """The server hangs: connections are accepted, and nothing is passed or answered."""
        self._is_stalled = True

    def delay(self, seconds: float) -> None:
        """Every piece of an answer comes *seconds* later."""
        self._delay = seconds

    def cut_after(self, count: int, *, to: Side) -> None:
        """Pass *count* bytes more to that side, over all connections, then cut that connection."""
        self._cut = [to, count]

    def swallow_answer_to(self, pattern: bytes, *, skip: int = 0, then: Then = "cut") -> None:
        """Let the server answer the next request with *pattern* in it, and lose the answer.

        What was asked has happened then, and the client does not know. A request whose client left
        before there was an answer does not count.

        Args:
            skip: So many requests with the pattern are answered well before.
            then: The connection ends, or says nothing more.
        """
        with self._lock:
            self._pattern, self._skip, self._then = pattern, skip, then

    def reset(self) -> None:
        """Reset every open connection."""
        for cable in self._open_cables():
            cable.reset()

    def close(self) -> None:
        """End everything."""
        self._healed.set()
        if self._listener.fileno() >= 0:
            self.refuse()

    def _forget_faults(self) -> None:
        self._is_stalled = False
        self._delay = 0.0
        self._cut: list[Side | int] | None = None
        self._pattern: bytes | None = None
        self._skip = 0
        self._then: Then = "cut"

    def _open_cables(self) -> list["_Cable"]:
        with self._lock:
            return list(self._cables)

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            cable = _Cable(client)
            with self._lock:
                self._cables.add(cable)
            threading.Thread(target=self._connect, args=(cable,), daemon=True).start()

    def _connect(self, cable: "_Cable") -> None:
        if self._is_stalled:
            cable.is_broken = True
            self._pump(cable.client, cable, lambda _data: None)
            return
        try:
            cable.server = socket.create_connection(self.target, timeout=5)
            cable.server.settimeout(None)
        except OSError:
            cable.end()
            self._forget(cable)
            return
        server = cable.server
        threading.Thread(
            target=self._pump,
            args=(server, cable, lambda data: self._to_client(cable, data)),
            daemon=True,
        ).start()
        self._pump(cable.client, cable, lambda data: self._to_server(cable, data))

    def _pump(
        self, source: socket.socket, cable: "_Cable", deliver: Callable[[bytes], None]
    ) -> None:
        try:
            while data := source.recv(CHUNK):
                deliver(data)
        except OSError:
            pass
        finally:
            cable.end()
            self._forget(cable)

    def _forget(self, cable: "_Cable") -> None:
        with self._lock:
            self._cables.discard(cable)
            if cable.swallows is not None:
                self._pattern, cable.swallows = cable.swallows, None

    def _to_server(self, cable: "_Cable", data: bytes) -> None:
        if self._is_held(cable):
            return
        self._look_for_pattern(cable, data)
        assert cable.server is not None
        self._send(cable, cable.server, data, "server")

    def _to_client(self, cable: "_Cable", data: bytes) -> None:
        if cable.swallows:
            cable.swallows, cable.is_broken = None, True
            self.swallowed += 1
            if self._then == "cut":
                cable.reset()
        if self._is_held(cable):
            return
        if self._delay:
            self._healed.wait(self._delay)
        self._send(cable, cable.client, data, "client")

    def _is_held(self, cable: "_Cable") -> bool:
        cable.is_broken = cable.is_broken or self._is_stalled
        return cable.is_broken

    def _look_for_pattern(self, cable: "_Cable", data: bytes) -> None:
        with self._lock:
            if self._pattern is None:
                return
            # A pattern may come in two pieces.
            seen = cable.tail + data
            cable.tail = seen[max(0, len(seen) - len(self._pattern) + 1) :]
            if self._pattern not in seen:
                return
            cable.tail = b""
            if self._skip:
                self._skip -= 1
                return
            cable.swallows, self._pattern = self._pattern, None

    def _send(self, cable: "_Cable", sink: socket.socket, data: bytes, to: Side) -> None:
        cut = self._cut
        if cut is not None and cut[0] == to:
            left = int(cut[1]) - len(data)
            cut[1] = left
            if left < 0:
                self._cut = None
                sink.sendall(data[: len(data) + left])
                cable.reset()
                return
        sink.sendall(data)


class _Cable:
    """One client's connection and ours to the server.

    Attributes:
        is_broken: Nothing comes through it any more, and nobody is told.
        swallows: The words whose answer, the server's next piece of one, is lost.
        tail: The last bytes from the client, where a pattern may have begun.
    """

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.server: socket.socket | None = None
        self.is_broken = False
        self.swallows: bytes | None = None
        self.tail = b""
        self._is_reset = False

    def end(self) -> None:
        """Close both ends; whoever waits at one of them wakes up."""
        # After a reset only for reading: shutting down the other way would say goodbye first.
        how = socket.SHUT_RD if self._is_reset else socket.SHUT_RDWR
        _quietly(self.client.shutdown, how)
        _quietly(self.client.close)
        if self.server is not None:
            _quietly(self.server.shutdown, socket.SHUT_RDWR)
            _quietly(self.server.close)

    def reset(self) -> None:
        """Close both ends, and let the client see a reset instead of a farewell."""
        self._is_reset = True
        _quietly(self.client.setsockopt, socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.end()


def _quietly(act: Callable[..., object], *arguments: object) -> None:
    try:
        act(*arguments)
    except OSError:
        return
