"""A door in front of a server that can be shut: the server lives on with its data, and nobody reaches it."""

import asyncio
from contextlib import suppress

from deploy.embedded.servers import HOST, free_port


class Door:
    """Passes bytes to and from the server on a port of this machine."""

    def __init__(self) -> None:
        self.port = free_port()
        self.behind = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Let everybody in."""
        self._server = await asyncio.start_server(self._pass, HOST, self.port)

    def shut(self) -> None:
        """Put everybody out, and let nobody in."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(HOST, self.behind)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, inner_writer}
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        self._writers -= {writer, inner_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
