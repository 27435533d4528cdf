"""Desks with a tiny untrained model, and a client that knows the way in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from pianist_jax.studio.desk import Desk
from pianist_jax.studio.server import make_app
from pianist_jax.studio.workspace import open_workspace
from tests.rendering.models import lively_model

_BARS = [("4C 4E", "4c"), ("4D", "4e"), ("4E", "4g"), ("4F", "4a")]
KERN = "\n".join(
    ["**kern\t**kern", "*clefF4\t*clefG2", "*M4/4\t*M4/4"]
    + [line for bar in range(1, 5) for line in (f"={bar}\t={bar}", *("\t".join(beat) for beat in _BARS))]
    + ["==\t==", "*-\t*-", ""]
).encode()  # four bars of 9 notes
TOKEN = "token"
ROOT = "http://127.0.0.1:8000"
BASE = f"{ROOT}/{TOKEN}/api"
EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def client_of(folder: Path) -> Iterator[TestClient]:
    """A client of a studio in that folder."""
    desk = Desk(open_workspace(folder), lively_model)
    with TestClient(make_app(desk, TOKEN), base_url=ROOT) as client:
        yield client


def finished(client: TestClient, answer: Any) -> dict[str, Any]:
    """How the job ended that was put in the queue with this answer."""
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    while found["state"] in ("waiting", "running"):
        found = client.get(f"{BASE}/jobs/{found['number']}", params={"wait": "true"}).json()
    return found
