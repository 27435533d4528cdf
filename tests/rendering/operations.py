"""What can be done to a rendering, with files and in a simple model of its takes."""

import dataclasses
import json

import hypothesis.strategies as st
import mido
import numpy as np

from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.hashes import content_hash, file_hash
from pianist_jax.rendering.outputs import files_made
from pianist_jax.rendering.reimport import take_in
from pianist_jax.rendering.reuse import at_hand, made_again
from pianist_jax.rendering.stored import apply_edits, read_rendering
from pianist_jax.rendering.takes import keep_take, list_takes, read_take, switch_to, undo
from tests.music.helpers import assert_same
from tests.rendering.renderings import made_up_rendering

PLAIN = Extras()


def rendered(score, stem, seed=0, expression=NEUTRAL, extras=PLAIN):
    """As the command renders a single score."""
    rendering = made_up_rendering(score, seed, expression)
    if at_hand(stem, rendering.identity, extras, has_bars=True, takes=True):
        return None
    saved = made_again(stem, rendering.identity, extras, expression, takes=True)
    return saved if saved.files else keep_take(rendering, stem, extras)


def edited(stem, velocity):
    path = stem.with_name(f"{stem.name}.json")
    told = json.loads(path.read_text())
    told["notes"][3]["performed"][0]["velocity"] = velocity
    path.write_text(json.dumps(told))


def applied(stem, expression=NEUTRAL):
    stored = read_rendering(stem.with_name(f"{stem.name}.json"))
    return keep_take(apply_edits(stored, expression), stem, stored.extras, origin=stored.path)


def heard(path, notes):
    """The MIDI file plays these notes."""
    assert_same(normalise(read_midi(path))[0], normalise(notes)[0])


def there(stem):
    return sorted(path.name for path in stem.parent.iterdir())


@dataclasses.dataclass
class Model:
    """What ought to be there: of every take its parent, what was done one after the other, and its notes."""

    parent: dict[int, int | None] = dataclasses.field(default_factory=dict)
    done: dict[int, tuple[object, ...]] = dataclasses.field(default_factory=dict)
    notes: dict[int, Notes] = dataclasses.field(default_factory=dict)
    current: int = 0

    def make(self, done, notes):
        """A new take, or the one that was made so before."""
        same = [n for n, own in self.done.items() if own == done and content_hash(notes) == content_hash(self.notes[n])]
        number = same[0] if same else len(self.notes) + 1
        if not same:
            self.parent[number], self.done[number], self.notes[number] = self.current or None, done, notes
        self.current = number


OPERATIONS = st.one_of(
    st.tuples(st.just("render"), st.integers(0, 2)),
    st.tuples(st.just("soft"), st.sampled_from([0.5, 0.8])),
    st.tuples(st.just("hand"), st.integers(1, 127)),
    st.tuples(st.just("bars"), st.integers(0, 1)),
    st.tuples(st.just("import"), st.integers(1, 127)),
    st.tuples(st.just("sequencer"), st.integers(1, 127)),
    st.tuples(st.just("undo"), st.just(0)),
    st.tuples(st.just("take"), st.integers(1, 5)),
)


def operate(operation, score, stem):
    """Do it with files."""
    prepare(operation, stem)
    command(operation, score, stem)


def prepare(operation, stem):
    """What somebody does to the files before the command."""
    what, how = operation
    if what == "hand":
        edited(stem, how)
    if what == "import":
        path = _performance(stem)
        write_midi(path, louder(read_midi(path), 3, how))
    if what == "sequencer":
        played_louder(stem.with_name(f"{stem.name}.daw.mid"), how)


def command(operation, score, stem):
    """What the command does."""
    what, how = operation
    if what == "render":
        rendered(score, stem, seed=how)
    elif what == "undo":
        undo(stem)
    elif what == "take":
        switch_to(stem, how)
    elif what in ("soft", "hand"):
        applied(stem, Expression(dynamics=how) if what == "soft" else NEUTRAL)
    else:
        stored = read_rendering(stem.with_name(f"{stem.name}.json"))
        if what == "bars":
            keep_take(with_bars(stored.rendering, how), stem, stored.extras)
            return
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


def with_bars(rendering, seed):
    rng = np.random.default_rng(seed)
    velocity = rendering.notes.velocity.copy()
    velocity[:4] = rng.integers(1, 127, 4)
    new = dataclasses.replace(rendering.notes, velocity=velocity)
    return rendering.replaced([new], {"bars": [1, 1], "seed": seed})


def louder(notes, n, velocity):
    changed = notes.velocity.copy()
    changed[n] = velocity
    return dataclasses.replace(notes, velocity=changed)


def predict(model, operation, score):
    """The same in the model; whether it can be done."""
    what, how = operation
    if what == "render":
        model.make((operation,), made_up_rendering(score, how).notes)
        return True
    if what in ("undo", "take"):
        wanted = how if what == "take" else model.parent.get(model.current)
        model.current = wanted if wanted in model.notes else model.current
        return wanted in model.notes
    now, done = model.notes[model.current], model.done[model.current]
    rendering = dataclasses.replace(made_up_rendering(score), performances=(now,))
    if what == "soft" and done[-1] != operation:  # the same again changes nothing
        model.make((*done, operation), rendering.edited(Expression(dynamics=how)).notes)
    if what == "bars":
        model.make((*done, operation), with_bars(rendering, how).notes)
    if what == "hand" and how != now.velocity[3]:
        model.make(done if done[-1] == "hand" else (*done, "hand"), louder(now, 3, how))
    if what in ("import", "sequencer"):
        highest = np.flatnonzero(now.pitch == now.pitch.max())
        by_time = np.lexsort((now.pitch, now.onset))
        changed = int(by_time[3] if what == "import" else highest[np.argmin(now.onset[highest])])
        if how != now.velocity[changed]:
            new = louder(now, changed, how)
            model.make((*done, what, content_hash(normalise(new)[0])), new)
    return True


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
    more = ["x.takes"] if len(model.notes) > 1 else []
    assert there(stem) == ["x.daw.mid", "x.json", "x.performance.mid", *more]
