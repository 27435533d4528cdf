"""The server: routes below `/TOKEN`, each of which asks the desk for something."""

import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pianist_jax.errors import PianistError, in_words
from pianist_jax.studio.desk import Desk
from pianist_jax.studio.guard import LOCAL, Guard
from pianist_jax.studio.sound import WAV
from pianist_jax.studio.wishes import read_draft, read_wish
from pianist_jax.studio.workspace import TooLarge, received

STATIC = Path(__file__).with_name("static")
MOST_JSON = 1 << 16  # bytes of a wish
MOST_DRAFT = 1 << 22  # bytes of edits by hand
LONGEST_PART = 60_000  # ms of sound that are made apart
CHANGES = ("shape", "edit", "undo", "redo", "use", "name")
LONGEST_WAIT = 60.0  # s
WIDTH = 860  # CSS pixels of a page, where the browser does not say
FRESH = {"cache-control": "no-store"}
Answer = Callable[[Request], Awaitable[Response]]


def make_app(desk: Desk, token: str, hosts: tuple[str, ...] = LOCAL) -> Guard:
    """The application for one desk. It starts the desk's worker and closes the desk at its end."""

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        desk.hub.open()
        desk.worker.start()
        yield
        desk.close()

    routes = [Route(path, _with_errors_told(call, desk), methods=[method]) for method, path, call in ROUTES]
    page = Route("/", lambda request: HTMLResponse((STATIC / "index.html").read_text("utf-8"), headers=FRESH))
    inside = [page, Mount("/static", StaticFiles(directory=STATIC)), *routes]
    return Guard(Starlette(routes=[Mount(f"/{token}", routes=inside)], lifespan=life), token, hosts)


def _with_errors_told(call: Callable[[Desk, Request], Awaitable[Response]], desk: Desk) -> Answer:
    """A route that answers what went wrong in the words of the command line."""

    async def answer(request: Request) -> Response:
        try:
            return await call(desk, request)
        except TooLarge as error:
            return JSONResponse({"error": str(error)}, 413, {"connection": "close"})
        except PianistError as error:
            return JSONResponse({"error": str(error)}, 400)
        except Exception as error:  # of whatever a file holds
            return JSONResponse({"error": str(in_words(request.path_params.get("name", "studio"), error))}, 500)

    return answer


async def _overview(desk: Desk, request: Request) -> Response:
    return JSONResponse(await anyio.to_thread.run_sync(desk.overview), headers=FRESH)


async def _wake(desk: Desk, request: Request) -> Response:
    """The page is there: now model and pianos may come."""
    desk.wake()
    return JSONResponse({"done": True})


async def _events(desk: Desk, request: Request) -> Response:
    return StreamingResponse(desk.hub.stream(), media_type="text/event-stream", headers=FRESH)


async def _add(desk: Desk, request: Request) -> Response:
    content = await received(request.stream())
    width = _whole(request, "width", WIDTH)
    name = await anyio.to_thread.run_sync(desk.add, request.query_params.get("name", ""), content, width)
    return JSONResponse({"name": name})


async def _add_example(desk: Desk, request: Request) -> Response:
    return JSONResponse({"name": await anyio.to_thread.run_sync(desk.add_example, *_name_and_width(request))})


async def _view(desk: Desk, request: Request) -> Response:
    return JSONResponse(await anyio.to_thread.run_sync(desk.view, *_name_and_width(request)), headers=FRESH)


async def _take(desk: Desk, request: Request) -> Response:
    given = request.path_params
    return JSONResponse(await anyio.to_thread.run_sync(desk.take, given["name"], given["key"]), headers=FRESH)


async def _pages(desk: Desk, request: Request) -> Response:
    """Some pages of the engraved score from number `from` on, and how many it has: the first comes alone."""
    given = *_name_and_width(request), _whole(request, "from", 0)
    pages, count = await anyio.to_thread.run_sync(desk.pages, *given)
    return JSONResponse({"pages": pages, "count": count}, headers=FRESH)


async def _perform(desk: Desk, request: Request) -> Response:
    wish = read_wish(await _json(request))
    job = await anyio.to_thread.run_sync(desk.perform, request.path_params["name"], wish)
    return JSONResponse(job.event())


async def _change(desk: Desk, request: Request) -> Response:
    """Undo, redo, shape, edit; use or name a take."""
    given = request.path_params
    asked = await _json(request, MOST_DRAFT if given["what"] == "edit" else MOST_JSON)
    what, number = given["what"], given.get("number", 0)
    if what not in CHANGES:
        raise PianistError(f"{what[:20]!r}: there is no such change; load the page anew")
    wish = read_wish(asked) if what == "shape" else None
    title = str(asked.get("name", "")) if what == "name" and isinstance(asked, dict) else ""
    draft = read_draft(asked) if what == "edit" else None
    await anyio.to_thread.run_sync(desk.change, given["name"], what, number, wish, title, draft)
    return JSONResponse({"done": True})


async def _try(desk: Desk, request: Request) -> Response:
    draft = read_draft(await _json(request, MOST_DRAFT))
    tried = await anyio.to_thread.run_sync(desk.try_draft, request.path_params["name"], draft)
    return JSONResponse(tried, headers=FRESH)


async def _shaped(desk: Desk, request: Request) -> Response:
    """What a shape would sound like; nothing is kept."""
    wish, sample = read_wish(await _json(request)), _whole(request, "sample", 0)
    tried = await anyio.to_thread.run_sync(desk.try_shape, request.path_params["name"], wish, sample)
    return JSONResponse(tried, headers=FRESH)


async def _add_recording(desk: Desk, request: Request) -> Response:
    content = await received(request.stream())
    file_name, name = request.query_params.get("name", ""), request.path_params["name"]
    return JSONResponse({"key": await anyio.to_thread.run_sync(desk.add_recording, name, file_name, content)})


async def _job(desk: Desk, request: Request) -> Response:
    """A job as it is, or with `wait` as it is when it has ended."""
    job = desk.worker.jobs.get(request.path_params["number"])
    if job is None:
        raise PianistError("no such job")
    if "wait" in request.query_params:
        await anyio.to_thread.run_sync(job.ended.wait, LONGEST_WAIT)
    return JSONResponse(job.event(), headers=FRESH)


async def _cancel(desk: Desk, request: Request) -> Response:
    return JSONResponse({"cancelled": desk.worker.cancel(request.path_params["number"])})


async def _sound(desk: Desk, request: Request) -> Response:
    start, stop = _whole(request, "start", -1), _whole(request, "stop", -1)
    part = (start, min(stop, start + LONGEST_PART)) if 0 <= start < stop else None
    name = _plain(request.query_params.get("as"))
    path = await desk.sounds.file(request.path_params["key"], part, WAV if name is None else name.rpartition(".")[2])
    return FileResponse(path, filename=name)


async def _file(desk: Desk, request: Request) -> Response:
    made = await anyio.to_thread.run_sync(desk.workspace.made, request.path_params["name"])
    path = made.get(request.path_params["file"])
    if path is None:
        raise PianistError(f"{request.path_params['file'][:80]!r}: no such file of this score")
    return FileResponse(path, filename=path.name, headers=FRESH)


async def _picture(desk: Desk, request: Request) -> Response:
    given = request.path_params
    path = await anyio.to_thread.run_sync(desk.picture, given["name"], given["key"])
    return FileResponse(path, filename=f"{given['name']}.png", headers=FRESH)


async def _archive(desk: Desk, request: Request) -> Response:
    """All in one: the score, its files, and of the current take sound and picture."""
    name = request.path_params["name"]
    made = await anyio.to_thread.run_sync(desk.workspace.made, name)
    files = {path.name: path for path in (desk.workspace.score(name), *made.values())}
    current = await anyio.to_thread.run_sync(desk.current, name)
    if current is not None:
        kind = "mp3" if find_spec("soundfile") else WAV
        files.setdefault(f"{name}.{kind}", await desk.sounds.file(current[1], None, kind))
        if find_spec("matplotlib"):
            files.setdefault(f"{name}.png", await anyio.to_thread.run_sync(desk.picture, name, current[0]))

    def pack() -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, path in files.items():
                archive.write(path, file)
        return content.getvalue()

    packed = await anyio.to_thread.run_sync(pack)
    # Names are Unicode, headers are not; the page's link names the file.
    return Response(packed, media_type="application/zip", headers={**FRESH, "content-disposition": "attachment"})


ROUTES: list[tuple[str, str, Callable[[Desk, Request], Awaitable[Response]]]] = [
    ("GET", "/api/overview", _overview),
    ("POST", "/api/wake", _wake),
    ("GET", "/api/events", _events),
    ("POST", "/api/scores", _add),
    ("POST", "/api/examples/{name}", _add_example),
    ("GET", "/api/scores/{name}", _view),
    ("GET", "/api/scores/{name}/takes/{key}", _take),
    ("GET", "/api/scores/{name}/pages", _pages),
    ("POST", "/api/scores/{name}/perform", _perform),
    ("POST", "/api/scores/{name}/try", _try),
    ("POST", "/api/scores/{name}/shaped", _shaped),
    ("POST", "/api/scores/{name}/recordings", _add_recording),
    ("POST", "/api/scores/{name}/takes/{number:int}/{what}", _change),
    ("POST", "/api/scores/{name}/change/{what}", _change),
    ("GET", "/api/scores/{name}/files/{file}", _file),
    ("GET", "/api/scores/{name}/takes/{key}/picture", _picture),
    ("GET", "/api/scores/{name}/archive", _archive),
    ("GET", "/api/jobs/{number:int}", _job),
    ("POST", "/api/jobs/{number:int}/cancel", _cancel),
    ("GET", "/api/sounds/{key}", _sound),
]


def _plain(name: str | None) -> str | None:
    return None if name is None else name.replace("/", "_").replace("\\", "_")[:120]


def _name_and_width(request: Request) -> tuple[str, int]:
    return request.path_params["name"], _whole(request, "width", WIDTH)


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else default


async def _json(request: Request, limit: int = MOST_JSON) -> Any:
    content = await received(request.stream(), limit)
    try:
        return json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise PianistError("no valid JSON; load the page anew") from error
