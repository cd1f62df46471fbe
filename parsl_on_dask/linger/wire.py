"""Messages between a script and its resident: tuples, pickled, over a Unix socket."""

from __future__ import annotations

import logging
import pickle
import socket
import struct
import threading
from collections import OrderedDict
from typing import Any

logger = logging.getLogger("parsl.linger.wire")

_SIZE = struct.Struct("!Q")
#: Bytes up to which a message is copied so that it goes out in one piece.
TOGETHER = 65536
#: How many functions both ends remember, and how many bytes of them; the last one whatever its size.
FUNCTIONS_KEPT, BYTES_KEPT = 1024, 64_000_000


def packed(value: Any) -> bytes:
    """A value of ours as bytes, also where it has parts that the script has defined.

    cloudpickle alone would send along classes of modules that are not imported yet.
    """
    try:
        return pickle.dumps(value, 5)
    except Exception:
        import cloudpickle

        data: bytes = cloudpickle.dumps(value)
        return data


class Wire:
    """One end of a connection.

    - `connection`: it belongs to the wire from now on.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._file = connection.makefile("rb")
        self._lock = threading.Lock()

    def send(self, message: tuple[Any, ...]) -> None:
        """Send a message. From any thread.

        Raises OSError when the other end has gone.
        """
        data = pickle.dumps(message, 5)
        head = _SIZE.pack(len(data))
        with self._lock:
            if len(data) < TOGETHER:
                self.socket.sendall(head + data)
            else:
                self.socket.sendall(head)
                self.socket.sendall(data)

    def receive(self) -> tuple[Any, ...] | None:
        """Wait for the next message; None when the other end has gone. A message that was cut off is none.

        Nor is one that cannot be read, for want of memory say: then nothing that follows is, either.
        """
        try:
            head = self._file.read(_SIZE.size)
            if len(head) < _SIZE.size:
                return None
            [size] = _SIZE.unpack(head)
            data = self._file.read(size)
            if len(data) < size:
                return None
            message: tuple[Any, ...] = pickle.loads(data)
            return message
        except (OSError, ValueError):  # closed here
            return None
        except Exception:
            logger.exception("A message cannot be read")
            self.close()
            return None

    def close(self) -> None:
        """End the connection."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


class Functions:
    """The pickled functions that both ends know.

    Each end does the same to its own in the order of the messages, so each knows what the other one has.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def known(self, key: str) -> bytes | None:
        """The pickle of a function that the other end knows, too."""
        data = self._known.get(key)
        if data is not None:
            self._known.move_to_end(key)
        return data

    def add(self, key: str, data: bytes) -> None:
        """Remember a function that is sent."""
        self._known[key] = data
        self._size += len(data)
        while len(self._known) > FUNCTIONS_KEPT or (self._size > BYTES_KEPT and len(self._known) > 1):
            self._size -= len(self._known.popitem(last=False)[1])
