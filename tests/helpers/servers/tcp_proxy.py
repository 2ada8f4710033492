"""A TCP proxy that delays and cuts connections, for tests of unreliable networks."""

import asyncio
import threading
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Self

from tests.helpers.servers.processes import free_port

#: A port of this machine, or the path of a UNIX socket.
type Target = int | Path
READ_BYTES = 64 * 1024


class TcpProxy:
    """Forwards each connection to the next of its targets. It runs in its own thread.

    Attributes:
        port: the port on which the proxy listens.
        delay_s: how long each piece of data is delayed.
        requests: the number of pieces of data received from clients.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self.port, self.delay_s, self.requests = free_port(), 0.0, 0
        self._targets = cycle(targets)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Abort all open connections, including those that wait for a response."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def redirect(self, targets: Sequence[Target]) -> None:
        """Forward new connections to other targets, and abort the open ones, like a moved IP address."""
        self._targets = cycle(targets)
        self.cut()

    def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _cancel_all(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await _connect(next(self._targets))
        except OSError:
            writer.transport.abort()
            return
        writers = {writer, target_writer}
        self._writers |= writers
        copies = self._copy(reader, target_writer, is_request=True), self._copy(target_reader, writer)
        await asyncio.gather(*copies, return_exceptions=True)
        self._writers -= writers

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_request: bool = False
    ) -> None:
        try:
            while data := await source.read(READ_BYTES):
                self.requests += is_request
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()


async def _connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(target, Path):
        return await asyncio.open_unix_connection(target)
    return await asyncio.open_connection("127.0.0.1", target)
