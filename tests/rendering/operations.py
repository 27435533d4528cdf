"""What can be done to a rendering, with files and in a simple model of its takes.

Scores and bars are performed as the commands have them performed, by a tiny model: what it plays is asked of it once
more in memory, where there are no files and no takes.
"""

import dataclasses
import functools
import json
from pathlib import Path

import hypothesis.strategies as st
import mido
import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.passage import Passage
from pianist_jax.rendering.batch import render_scores
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.finding import FoundScore
from pianist_jax.rendering.hashes import content_hash, file_hash
from pianist_jax.rendering.order import Order
from pianist_jax.rendering.outputs import files_made
from pianist_jax.rendering.passages import rerender_file
from pianist_jax.rendering.reimport import take_in
from pianist_jax.rendering.renderer import read_piece, render
from pianist_jax.rendering.stored import apply_edits, read_rendering
from pianist_jax.rendering.takes import keep_take, list_takes, read_take, switch_to, undo
from tests.music.helpers import assert_same
from tests.rendering.models import lively_model, perform_bars

PLAIN, WITH_PLOT = Extras(), Extras(plot=True)
SAMPLING = Sampling(draws=1, residual_scale=1.0)
LINE = 3  # of the JSON file's notes, which somebody edits
PASSAGES = (
    {"bars": (1, 1)},
    {"bars": (2, 2)},
    {"bars": ((1, 1), (2, 2))},
    {"hand": "right"},
    {"bars": (2, 2), "hand": "left"},
)


def perform(score, stem, seed, model=lively_model):
    """As the command performs a single score."""
    order = Order(stem.parent, model(), seed, sampling=SAMPLING, takes=True)
    (outcome,) = render_scores([FoundScore(score, Path(stem.name))], order)
    if outcome.error:
        raise outcome.error


def perform_anew(score, stem, passage, seed, extras=PLAIN, model=lively_model):
    """As the command performs bars or a hand."""
    order = Order(stem.parent, model(), seed, sampling=SAMPLING, extras=extras)
    rerender_file(score, stem, order, Passage.of(**PASSAGES[passage]), takes=1)


def edited(stem, velocity):
    path = stem.with_name(f"{stem.name}.json")
    told = json.loads(path.read_text())
    told["notes"][LINE]["performed"][0]["velocity"] = velocity
    path.write_text(json.dumps(told))


def applied(stem, expression=NEUTRAL):
    stored = read_rendering(stem.with_name(f"{stem.name}.json"))
    return keep_take(apply_edits(stored, expression), stem, stored.extras, origin=stored.path)


def heard(path, notes):
    """The MIDI file plays these notes."""
    assert_same(normalise(read_midi(path))[0], normalise(notes)[0])


def there(stem):
    return sorted(path.name for path in stem.parent.iterdir())


WHICH_BARS = st.tuples(st.integers(0, len(PASSAGES) - 1), st.integers(0, 1))
OPERATIONS = st.one_of(
    st.tuples(st.just("render"), st.integers(0, 2)),
    st.tuples(st.just("soft"), st.sampled_from([0.5, 0.8])),
    st.tuples(st.just("hand"), st.integers(1, 127)),
    st.tuples(st.just("bars"), WHICH_BARS),
    st.tuples(st.just("hand, bars"), st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(1, 127))),
    st.tuples(st.just("import"), st.integers(1, 127)),
    st.tuples(st.just("sequencer"), st.integers(1, 127)),
    st.tuples(st.just("undo"), st.just(0)),
    st.tuples(st.just("take"), st.integers(1, 5)),
)
ALL_OPERATIONS = st.one_of(OPERATIONS, st.tuples(st.just("bars with plot"), WHICH_BARS))  # pictures take their time


def operate(operation, score, stem):
    """Do it with files."""
    prepare(operation, stem)
    command(operation, score, stem)


def prepare(operation, stem):
    """What somebody does to the files before the command."""
    what, how = operation
    if what == "hand":
        edited(stem, how)
    if what == "hand, bars":
        edited(stem, how[2])
    if what == "import":
        path = _performance(stem)
        write_midi(path, louder(read_midi(path), 3, how))
    if what == "sequencer":
        played_louder(stem.with_name(f"{stem.name}.daw.mid"), how)


def command(operation, score, stem, model=lively_model):
    """What the command does; `model` gives who performs."""
    what, how = operation
    if what == "render":
        perform(score, stem, how, model)
    elif "bars" in what:
        perform_anew(score, stem, how[0], how[1], WITH_PLOT if "plot" in what else PLAIN, model)
    elif what == "undo":
        undo(stem)
    elif what == "take":
        switch_to(stem, how)
    elif what in ("soft", "hand"):
        applied(stem, Expression(dynamics=how) if what == "soft" else NEUTRAL)
    else:
        stored = read_rendering(stem.with_name(f"{stem.name}.json"))
        path = _performance(stem) if what == "import" else stem.with_name(f"{stem.name}.daw.mid")
        keep_take(take_in(stored, path).rendering, stem, stored.extras, taken=path)


def played_louder(path, velocity):
    """The first strike of the highest key has another strength, as somebody wants it who edits in a sequencer."""
    file = mido.MidiFile(path)
    strikes = [m for track in file.tracks for m in track if m.type == "note_on" and m.velocity]
    highest = max(message.note for message in strikes)
    next(message for message in strikes if message.note == highest).velocity = velocity
    file.save(path)


def _performance(stem):
    return stem.with_name(f"{stem.name}.performance.mid")


def louder(notes, n, velocity):
    changed = notes.velocity.copy()
    changed[n] = velocity
    return dataclasses.replace(notes, velocity=changed)


@dataclasses.dataclass
class Model:
    """What ought to be there: of every take its parent, what was done one after the other, and its notes; a picture."""

    parent: dict[int, int | None] = dataclasses.field(default_factory=dict)
    done: dict[int, tuple[tuple[object, ...], ...]] = dataclasses.field(default_factory=dict)
    notes: dict[int, Notes] = dataclasses.field(default_factory=dict)
    current: int = 0
    plot: bool = False

    def make(self, done, notes):
        """A new take, or the one that was made so before."""
        same = [n for n, own in self.done.items() if own == done and content_hash(notes) == content_hash(self.notes[n])]
        number = same[0] if same else len(self.notes) + 1
        if not same:
            self.parent[number], self.done[number], self.notes[number] = self.current or None, done, notes
        self.current = number

    def add(self, edit, notes):
        """As `make`, from the current take; one edit by hand upon another is one."""
        done = self.done[self.current]
        self.make(done if edit == done[-1] == ("hand",) else (*done, edit), notes)

    def made_so(self, done):
        """The take that follows from this alone, or from it and from what somebody has edited in the current one."""
        edited = {"hand", "import", "sequencer"}
        same = [
            n
            for n, own in self.done.items()
            if own == done and (self.parent[n] == self.current or not edited & {what for what, *_ in own})
        ]
        return same[0] if same else None


@functools.cache
def first_performed(score, seed):
    return render(score, lively_model(), seed=seed, draws=SAMPLING.draws)


def in_memory(model, score):
    """The current take, with what was asked of all of it."""
    done = model.done[model.current]
    first = first_performed(score, done[0][1])
    asked = [{"expression": Expression(dynamics=rest[0]).metadata()} for what, *rest in done if what == "soft"]
    identity = {**first.identity, "edits": asked}
    return dataclasses.replace(first, performances=(model.notes[model.current],), identity=identity)


def predict(model, operation, score):
    """The same in the model; whether it can be done."""
    what, how = operation
    if what == "render":
        model.make((operation,), first_performed(score, how).notes)
        return True
    if what in ("undo", "take"):
        wanted = how if what == "take" else model.parent.get(model.current)
        model.current = wanted if wanted in model.notes else model.current
        return wanted in model.notes
    now = model.notes[model.current]
    if what == "soft" and model.done[model.current][-1] != operation:  # the same again changes nothing
        model.add(operation, in_memory(model, score).edited(Expression(dynamics=how)).notes)
    if what in ("hand", "hand, bars"):
        line, velocity = int(read_piece(score).note_of_raw[LINE]), how if what == "hand" else how[2]
        if velocity != now.velocity[line]:
            model.add(("hand",), louder(now, line, velocity))
    if "bars" in what:
        model.plot |= "plot" in what
        predict_bars(model, how[0], how[1], score)
    if what in ("import", "sequencer"):
        highest = np.flatnonzero(now.pitch == now.pitch.max())
        by_time = np.lexsort((now.pitch, now.onset))
        changed = int(by_time[3] if what == "import" else highest[np.argmin(now.onset[highest])])
        if how != now.velocity[changed]:
            new = louder(now, changed, how)
            model.add((what, content_hash(normalise(new)[0])), new)
    return True


def predict_bars(model, passage, seed, score):
    """The same passage takes the place of what was there, and nothing is performed that was performed before."""
    done, edit = model.done[model.current], ("bars", passage, seed)
    if done[-1] == edit:
        return
    wanted = (*(done[:-1] if done[-1][:2] == edit[:2] else done), edit)
    before = model.made_so(wanted)
    if before is not None:
        model.current = before
        return
    asked = {**PASSAGES[passage], "seed": seed, "sampling": SAMPLING, "takes": 1}
    model.make(wanted, perform_bars(read_piece(score), in_memory(model, score), lively_model(), **asked).notes)


def check(model, stem):
    takes = list_takes(stem)
    assert {take.number: take.parent for take in takes} == model.parent
    assert [take.number for take in takes if take.current] == [model.current]
    for number, notes in model.notes.items():
        assert_same(read_take(stem, number).rendering.notes, notes)
    heard(stem.with_name("x.performance.mid"), model.notes[model.current])
    told = json.loads(stem.with_name("x.json").read_text())
    for name, made in files_made(told).items():
        assert file_hash(stem.with_name(name)) == made["sha256"]
    more = [*["x.png"] * model.plot, *["x.takes"] * (len(model.notes) > 1)]
    found = there(stem)
    assert found == ["x.daw.mid", "x.json", "x.performance.mid", *more], found
