"""Work in a queue: one thread owns the model and does one job after the other, each of which can be cancelled."""

import dataclasses
import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError, in_words

if TYPE_CHECKING:
    from pianist_jax.inference.engine import Model

Tell = Callable[[dict[str, Any]], None]


class Cancelled(Exception):
    """Somebody no longer wants what a job is doing."""


@dataclasses.dataclass(eq=False)
class Job:
    """Something to be done about a score: `run` is given the model and the job, and reports through `advance`."""

    number: int
    kind: str
    name: str
    run: Callable[["Model", "Job"], None]
    expected: int = 0
    done: int = 0
    state: str = "waiting"
    error: str = ""
    stop: threading.Event = dataclasses.field(default_factory=threading.Event)
    ended: threading.Event = dataclasses.field(default_factory=threading.Event)
    tell: Tell = lambda event: None

    def advance(self, notes: int) -> None:
        """So many notes more are performed. Raises Cancelled where that is no longer wanted."""
        self.done += notes
        self.check()
        self.tell(self.event())

    def check(self) -> None:
        """Raises Cancelled where the job is no longer wanted."""
        if self.stop.is_set():
            raise Cancelled

    def event(self) -> dict[str, Any]:
        """What the page is told of it."""
        about = ("number", "kind", "name", "expected", "done", "state", "error")
        return {"event": "job", **{key: getattr(self, key) for key in about}}


STATES = ("loading", "warming", "ready", "failed")  # of the model, in their order
PATIENCE = 4.0  # s that a page is waited for


class Worker:
    """The thread with the model, which it loads itself, and the jobs that wait for it.

    It begins to load when it is woken or has something to do: a page that is being opened needs the processor more.
    """

    def __init__(
        self, load: Callable[[], "Model"], tell: Tell, warm_up: Callable[["Model", Job], None] | None = None
    ) -> None:
        self.jobs: dict[int, Job] = {}
        self.state, self.error = "loading", ""
        self._load, self._tell, self._warm_up = load, tell, warm_up
        self._waiting: deque[Job] = deque()
        self._ready = threading.Condition()
        self._numbers = itertools.count(1)
        self._closing = False
        self._awake = threading.Event()
        self._warming = Job(0, "warm-up", "", lambda model, job: None)
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)

    def start(self) -> None:
        """Begin to wait for work."""
        self._thread.start()

    def wake(self) -> None:
        """Load the model, if that has not begun."""
        self._awake.set()

    def submit(self, kind: str, name: str, run: Callable[["Model", Job], None]) -> Job:
        """Put a job in the queue."""
        job = Job(next(self._numbers), kind, name, run, tell=self._tell)
        with self._ready:
            self.jobs[job.number] = job
            self._waiting.append(job)
            self._warming.stop.set()  # somebody waits now
            self._ready.notify()
        self.wake()
        self._tell(job.event())
        return job

    def cancel(self, number: int) -> bool:
        """Give a job up, before it begins or between two windows; whether there was one to give up."""
        job = self.jobs.get(number)
        if job is None or job.state not in ("waiting", "running"):
            return False
        job.stop.set()
        return True

    def open_jobs(self) -> list[dict[str, Any]]:
        """The jobs that wait or run."""
        return [job.event() for job in list(self.jobs.values()) if job.state in ("waiting", "running")]

    def close(self) -> None:
        """Give everything up; the thread ends as soon as it can."""
        with self._ready:
            self._closing = True
            self._warming.stop.set()
            for job in self.jobs.values():
                job.stop.set()
            self._ready.notify()
        self.wake()

    def is_alive(self) -> bool:
        """Whether the thread has something to end yet."""
        return self._thread.is_alive()

    def _work(self) -> None:
        self._awake.wait(PATIENCE)
        model = None if self._closing else self._model()
        while job := self._next():
            if model is None:
                self._finish(job, "failed", self.error)
                continue
            try:
                job.check()
                job.state = "running"
                self._tell(job.event())
                job.run(model, job)
                self._finish(job, "done")
            except Cancelled:
                self._finish(job, "cancelled")
            except Exception as error:  # whatever one score does, the studio goes on
                self._finish(job, "failed", str(in_words(job.name, error)))

    def _next(self) -> Job | None:
        with self._ready:
            while not self._waiting and not self._closing:
                self._ready.wait()
            return None if self._closing else self._waiting.popleft()

    def _finish(self, job: Job, state: str, error: str = "") -> None:
        job.state, job.error = state, error
        job.ended.set()
        self._tell(job.event())
        for number in list(self.jobs)[:-50]:
            del self.jobs[number]

    def _model(self) -> "Model | None":
        try:
            model = self._load()
            self._is("warming")
            if self._warm_up is not None:
                self._warm_up(model, self._warming)
        except Cancelled:
            pass
        except PianistError as error:
            self._is("failed", str(error))
            return None
        self._is("ready")
        return model

    def model_event(self) -> dict[str, Any]:
        """How the model is; of two that a page is told of the one of the higher `turn` is the later."""
        return {"event": "model", "state": self.state, "error": self.error, "turn": STATES.index(self.state)}

    def _is(self, state: str, error: str = "") -> None:
        self.state, self.error = state, error
        self._tell(self.model_event())
