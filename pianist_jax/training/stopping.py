"""When a run has to stop before its end: its time is over, or the machine is being taken away."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.experimental import multihost_utils

REASONS = ("", "its time is over", "the machine asked it to (SIGTERM)")


@contextmanager
def watch(seconds: float) -> Iterator[Callable[[int, float], str]]:
    """A function of (step, seconds that the next stretch may take) that says why to stop now, or "" to go on.

    All processes of a job are told the same: what one of them knows stops all, at the same step. A SIGTERM is taken
    note of and no more, so that there is time to save; so is JAX's own notice of preemption in a job of many processes.
    """
    deadline, asked = time.monotonic() + seconds, threading.Event()
    in_front = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set()) if in_front else None

    def reason(step: int, needed: float) -> str:
        code = 2 if asked.is_set() or _preempted(step) else 1 if time.monotonic() + needed >= deadline else 0
        if jax.process_count() > 1:
            code = int(multihost_utils.process_allgather(np.array(code)).max())
        return REASONS[code]

    try:
        yield reason
    finally:
        if in_front:
            signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def _preempted(step: int) -> bool:
    if jax.process_count() == 1 or not jax.config.jax_enable_preemption_service:  # type: ignore[attr-defined]
        return False
    return bool(multihost_utils.reached_preemption_sync_point(step))
