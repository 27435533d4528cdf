"""One stream of events for each page that looks on (server-sent events)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

MOST_WAITING = 1000  # events that a page may lag behind; then it has to look for itself
SECONDS_OF_SILENCE = 15.0


class Hub:
    """Events from any thread to all pages."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def open(self) -> None:
        """Send events by the running loop."""
        self._loop = asyncio.get_running_loop()

    def tell(self, event: dict[str, Any]) -> None:
        """Send an event to all pages; from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._put, event)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._put, None)

    def _put(self, event: dict[str, Any] | None) -> None:
        for queue in list(self._queues):
            if queue.full():
                self._queues.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)  # the page connects again and asks how things are
            else:
                queue.put_nowait(event)

    async def stream(self) -> AsyncIterator[str]:
        """The events for one page, as text of server-sent events."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(MOST_WAITING)
        self._queues.add(queue)
        try:
            yield "retry: 1000\n\n"
            while not self._closed:
                try:
                    event = await asyncio.wait_for(queue.get(), SECONDS_OF_SILENCE)
                except TimeoutError:
                    yield ": still there\n\n"
                    continue
                if event is None:
                    return
                yield f"data: {json.dumps(event)}\n\n"
        finally:
            self._queues.discard(queue)
