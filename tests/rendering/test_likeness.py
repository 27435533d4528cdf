"""In the style of a recording: taken from it, kept, and refused where it is none."""

import dataclasses

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_midi
from pianist_jax.performance.expression import Expression
from pianist_jax.performance.pace import AS_WRITTEN, FREE, Pace
from pianist_jax.performance.parameters import chords_of
from pianist_jax.performance.style import UNITS, WORDS, Style, measured_of
from pianist_jax.performance.styling import styled
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.likeness import read_likeness
from pianist_jax.rendering.stored import apply_edits, describe_rendering, read_rendering
from pianist_jax.rendering.takes import keep_take
from tests.performance.made_up import make_score
from tests.performance.test_style import played_by_somebody
from tests.rendering.models import made_up_score
from tests.rendering.renderings import made_up_rendering

OTHER = Style(rubato=1, dynamics=-1, level=1, articulation=-2, pedal=1, spread=0.5, lead=-1)


@pytest.fixture
def rendering():
    """The chorale as somebody plays it."""
    made = made_up_rendering()
    return dataclasses.replace(made, performances=(played_by_somebody(made.score),))


@pytest.fixture
def recording(rendering, tmp_path):
    """Another one's playing, at four fifths of the tempo."""
    other = styled(rendering.score, rendering.notes, OTHER)
    slower = {
        name: np.rint(1.25 * getattr(other, name)).astype(np.int64) for name in ("onset", "duration", "pedal_time")
    }
    write_midi(tmp_path / "other.mid", dataclasses.replace(other, **slower))
    return tmp_path / "other.mid"


def test_a_rendering_becomes_like_the_recording(rendering, recording):
    like = read_likeness(recording, rendering.score)
    made = rendering.like(recording)
    own = measured_of(chords_of(rendering.score), made.notes)
    for word in WORDS:
        assert own[word] == pytest.approx(like.words[word], abs=0.15 * UNITS[word]), word
    found = Style.of(made.identity["edits"][-1]["expression"]["style"])
    for word in ("rubato", "dynamics", "level", "articulation", "pedal"):
        assert getattr(found, word) == pytest.approx(getattr(OTHER, word), abs=0.2)
    assert np.ptp(made.notes.onset) == pytest.approx(np.ptp(rendering.notes.onset), rel=0.01), "tempo is no style"


def test_its_tempo_is_taken_where_tempo_is_free(rendering, recording):
    like = read_likeness(recording, rendering.score)
    whole = np.ptp(rendering.notes.onset) / np.ptp(rendering.score.onset)
    assert like.slowness == pytest.approx(1.25 * whole, rel=0.02)
    assert read_likeness(recording, rendering.score, 2.0).slowness == pytest.approx(2 * like.slowness)
    assert like.pace(Pace(FREE)) == Pace(times=like.slowness)
    assert like.pace(AS_WRITTEN) == AS_WRITTEN
    assert like.pace(Pace(72.0)) == Pace(72.0)


def test_a_take_of_it_and_the_same_again(rendering, recording, tmp_path):
    stem, extras = tmp_path / "x", Extras()
    keep_take(rendering, stem, extras)
    like = read_likeness(recording, rendering.score)
    for _ in range(2):
        made = apply_edits(read_rendering(tmp_path / "x.json"), like=like)
        assert keep_take(made, stem, extras).take == 2
    (told,) = (how for what, how in describe_rendering(tmp_path / "x.json") if what == "edits")
    assert told.startswith("in the style of other.mid: style rubato +")
    louder = apply_edits(read_rendering(tmp_path / "x.json"), Expression(dynamics=2.0), like=like)
    assert louder.identity["edits"][-1]["expression"]["dynamics"] == 2.0
    assert keep_take(louder, stem, extras).take == 3


def test_no_recording_of_the_piece(rendering, recording, tmp_path):
    write_midi(tmp_path / "else.mid", made_up_score(286, seed=4))
    write_midi(tmp_path / "written.mid", rendering.score)
    (tmp_path / "text.mid").write_text("no music")
    for name, problem in (
        ("else.mid", "too few for a recording of it"),
        ("written.mid", "is no performance"),
        ("text.mid", "text.mid"),
        ("none.mid", "none.mid"),
    ):
        with pytest.raises(PianistError, match=problem):
            rendering.like(tmp_path / name)
    with pytest.raises(PianistError, match="too few"):
        read_likeness(recording, make_score(np.random.default_rng(5), 100))
