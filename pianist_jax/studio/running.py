"""A studio from its start to Ctrl-C."""

import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import quote

import uvicorn

from pianist_jax.errors import PianistError
from pianist_jax.score.files import MAX_BYTES, read_bytes
from pianist_jax.studio.desk import Desk
from pianist_jax.studio.performing import warm_up
from pianist_jax.studio.server import make_app
from pianist_jax.studio.workspace import open_workspace

if TYPE_CHECKING:
    from pianist_jax.inference.engine import Model

HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """Ends the pages' streams of events as soon as it is told to end, so that nothing is waited for."""

    def __init__(self, config: uvicorn.Config, desk: Desk, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._desk, self._ready = desk, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._desk.hub.close()
        super().handle_exit(sig, frame)


def run(
    score: Path | None, folder: Path, model: str, port: int, say: Callable[[str], None], *, open_browser: bool
) -> None:
    """Serve a workspace until Ctrl-C. Raises PianistError where that cannot begin."""
    content = None if score is None else read_bytes(score, MAX_BYTES)
    listening = _listen(port)
    desk = Desk(open_workspace(folder), lambda: _load(model), warm_up)
    token = secrets.token_urlsafe(16)
    address = f"http://{HOST}:{listening.getsockname()[1]}/{token}/"
    try:
        if score is not None and content is not None:
            address += f"#{quote(desk.add(score.name, content))}"
    except PianistError:
        desk.close()
        raise

    def ready() -> None:
        say(f"studio of {desk.workspace.folder}: {address}")
        say("Ctrl-C ends it")
        if open_browser:
            webbrowser.open(address)

    config = uvicorn.Config(
        make_app(desk, token),
        log_level="error",
        timeout_graceful_shutdown=1,
        server_header=False,
        lifespan="on",
        ws="none",
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has ended well
        _Server(config, desk, ready).run([listening])
    desk.close()
    if desk.worker.is_alive():  # in the midst of a program of the model, which nothing can break off
        sys.stdout.flush()
        os._exit(0)


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise PianistError(f"port {port}: cannot be listened to ({error.strerror}); choose another") from error
    return listening


def _load(name: str) -> "Model":
    from pianist_jax.inference.engine import load_model

    return load_model(name)
