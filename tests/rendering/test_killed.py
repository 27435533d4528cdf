"""`kill -9` of a real process, at any moment of any command, loses no take, and the next command goes on."""

import copy
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pianist_jax.rendering.takes import list_takes, read_take, switch_to
from pianist_jax.weights import save_weights
from tests.model.helpers import lively_params
from tests.music.helpers import assert_same
from tests.rendering.models import NOTE, made_up_score, written_for_two_hands
from tests.rendering.operations import (
    ALL_OPERATIONS,
    WITH_PLOT,
    Model,
    check,
    command,
    operate,
    predict,
    prepare,
)

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


class Worker:
    """Somebody who does operations in processes that are killed."""

    def __init__(self, process, score):
        self.process, self.score, self.seconds = process, score, {}
        with tempfile.TemporaryDirectory() as folder:
            # The first to perform keeps its programs, and the others show how long it takes.
            for operation in (("render", 0), ("render", 1), ("soft", 0.5)):
                began = time.monotonic()
                assert not self.kill(operation, Path(folder) / "x", None)
                self.seconds[performs(operation)] = time.monotonic() - began

    def kill(self, operation, stem, moment):
        """Kill an operation before its file operation of a number, or after a share of the time that one takes.

        None lets it end. Gives whether it was killed.
        """
        step = moment if isinstance(moment, int) else None
        self.process.stdin.write(f"{json.dumps([operation, str(self.score), str(stem), step])}\n")
        self.process.stdin.flush()
        number = int(self.process.stdout.readline())
        if isinstance(moment, float):
            time.sleep(moment * self.seconds[performs(operation)])
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        status = int(self.process.stdout.readline())
        assert status in (0, signal.SIGKILL)
        return status != 0


def performs(operation):
    """Whether the model is needed for it, which takes its time."""
    return operation[0] == "render" or "bars" in operation[0]


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worker")
    score = written_for_two_hands(folder / "a.mid", made_up_score(14))
    save_weights(folder / "weights", NOTE, lively_params(NOTE), dtype="float32")
    run = [sys.executable, "-m", "tests.rendering.operating", str(folder / "weights")]
    kept, pipe = {**os.environ, "PIANIST_CACHE": str(folder)}, subprocess.PIPE
    with subprocess.Popen(run, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=kept) as process:
        yield Worker(process, score)


MOMENTS = st.one_of(st.integers(0, 40), st.integers(0, 40), st.floats(0, 1.1))


def is_kept(stem, model):
    """Every take of the model is there, its notes as they were; gives the takes that are there."""
    takes = {take.number: take for take in list_takes(stem)}
    assert takes.keys() >= model.notes.keys()
    for number, notes in model.notes.items():
        if not takes[number].edited:
            assert_same(read_take(stem, number).rendering.notes, notes)
    return takes


@settings(max_examples=30, deadline=None)
@given(operations=st.lists(st.tuples(ALL_OPERATIONS, MOMENTS), min_size=1, max_size=5))
def test_a_killed_process_loses_no_take_and_the_next_command_goes_on(worker, operations):
    with tempfile.TemporaryDirectory() as folder:
        stem, model = Path(folder) / "x", Model()
        for operation, moment in [(("render", 0), operations[0][1]), *operations]:
            before = copy.deepcopy(model)
            if not predict(model, operation, worker.score):
                model = before
                continue
            prepare(operation, stem)
            worker.kill(operation, stem, moment)
            takes = is_kept(stem, before)
            assert takes.keys() <= model.notes.keys()
            if model.current in takes:
                switch_to(stem, model.current, WITH_PLOT if model.plot else None)
            else:
                command(operation, worker.score, stem)
            check(model, stem)
        if predict(model, ("bars", (0, 0)), worker.score):
            operate(("bars", (0, 0)), worker.score, stem)
            check(model, stem)


@pytest.mark.parametrize("last", [("soft", 0.5), ("import", 1), ("hand, bars", (0, 0, 9))])
def test_every_step_of_a_take_can_be_the_last(worker, last):
    """The last take, killed before each of its file operations, and then gone to or asked for again."""
    killed = 0
    for step in range(120):
        with tempfile.TemporaryDirectory() as folder:
            stem, model = Path(folder) / "x", Model()
            assert predict(model, ("render", 0), worker.score)
            operate(("render", 0), worker.score, stem)
            before = copy.deepcopy(model)
            assert predict(model, last, worker.score)
            prepare(last, stem)
            ended = not worker.kill(last, stem, step)
            killed += not ended
            takes = is_kept(stem, before)
            if model.current in takes:
                switch_to(stem, model.current, WITH_PLOT if model.plot else None)
            else:
                command(last, worker.score, stem)
            check(model, stem)
            if ended:
                break
    assert 20 < killed < 120
