"""What is written beside a performance: the editable file, the picture, the sound, and what is told of them."""

import itertools
import json
import wave
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from pianist_jax.audio import AudioFormat
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi
from pianist_jax.performance.expression import Expression
from pianist_jax.performance.fidelity import compare
from pianist_jax.rendering import extras, renderer
from pianist_jax.rendering.renderer import render
from pianist_jax.rendering.stored import read_rendering
from pianist_jax.score.load import load
from tests.rendering.models import lively_model, made_up_score

EXAMPLES = Path(__file__).parents[2] / "examples"
CHORALE = EXAMPLES / "chopin-prelude-op28-20.mid"


@pytest.fixture(scope="module")
def chorale():
    # with this seed no key is let go within a tick of its being struck again, which costs more than a millisecond
    return render(CHORALE, lively_model(), seed=4)


@pytest.mark.parametrize("events", ["onset", "beat"])
def test_the_editable_file_sounds_like_the_performance(chorale, tmp_path, events):
    paths = chorale.save(tmp_path, name="x", tempo_events=events)
    assert [path.name for path in paths] == ["x.performance.mid", "x.daw.mid", "x.json"]
    told = json.loads((tmp_path / "x.json").read_text())
    editable = told["performances"][0]["editable"]
    assert (editable["file"], editable["tempo_events"]) == ("x.daw.mid", events)
    found = compare(tmp_path / "x.daw.mid", read_midi(tmp_path / "x.performance.mid"), editable["offset_ms"])
    for kind, difference in found.items():
        assert difference.worst == editable["error_ms"][kind]["worst"] < 1.6  # half a tick at 20 bpm
    assert found["note_on"].count == len(chorale.score)
    worst = max(difference.worst for difference in found.values())
    assert told["editable_worst_error_ms"] == worst
    assert any("ms off" in line for line in editable["beyond_limits"]) == (worst > 1)
    texts = [message.text for message in mido.MidiFile(tmp_path / "x.daw.mid").tracks[0] if message.type == "text"]
    assert texts == editable["beyond_limits"]

    grid, score = load(tmp_path / "x.daw.mid", whole=True).grid, load(CHORALE, whole=True).grid
    assert grid.part_names == score.part_names == ("Right hand", "Left hand")
    np.testing.assert_array_equal(grid.bars()[:13] / grid.ticks_per_quarter, score.bars()[:13] / 480)
    assert grid.key_signatures == score.key_signatures == ((0, "Cm"),)


def test_notation_is_performed_too(tmp_path):
    rendering = render(EXAMPLES / "chopin-prelude-op28-20.musicxml", lively_model())
    assert rendering.save(tmp_path)[1].name == "chopin-prelude-op28-20.daw.mid"
    times = [m for track in mido.MidiFile(tmp_path / "chopin-prelude-op28-20.daw.mid").tracks for m in track]
    assert [(m.numerator, m.denominator) for m in times if m.type == "time_signature"] == [(4, 4)]


def test_picture_and_sound(tmp_path):
    notes = render(CHORALE, lively_model(), samples=2)
    names = [path.name for path in notes.save(tmp_path, name="x", plot=True, audio=True)]
    files = ["performance.mid", "daw.mid", "wav"]
    assert sorted(names) == sorted([f"x-{k}.{suffix}" for k in (1, 2) for suffix in files] + ["x.png", "x.json"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    with wave.open(str(tmp_path / "x-2.wav")) as file:
        seconds = file.getnframes() / file.getframerate()
    assert seconds > notes.performances[1].onset.max() / 1000
    told = json.loads((tmp_path / "x.json").read_text())
    assert [own["audio"]["file"] for own in told["performances"]] == ["x-1.wav", "x-2.wav"]
    assert told["plot"]["file"] == "x.png"
    assert notes.save(tmp_path, name="x", plot=True, audio=True) == []
    (tmp_path / "x.png").write_bytes(b"mine")
    with pytest.raises(PianistError, match=r"x\.png: was changed"):
        notes.save(tmp_path, name="x", plot=True)


@pytest.mark.slow
def test_sound_in_another_form_and_a_page(tmp_path):
    rendering = render(CHORALE, lively_model())
    names = [path.name for path in rendering.save(tmp_path, name="x", audio="flac,44100", page=True)]
    assert names == ["x.performance.mid", "x.daw.mid", "x.flac", "x.html", "x.json"]
    page = (tmp_path / "x.html").read_bytes()
    stored = read_rendering(tmp_path / "x.json").extras
    assert (stored.audio, stored.page) == (AudioFormat("flac", 44_100, 16), True)
    assert rendering.save(tmp_path, name="x", audio="flac,44100", page=True) == []
    assert len(rendering.save(tmp_path, name="x", audio="flac,24", page=True)) == 5
    assert soundfile.info(tmp_path / "x.flac").subtype == "PCM_24"
    assert (tmp_path / "x.html").read_bytes() == page
    with pytest.raises(PianistError, match="choose wav or flac or mp3"):
        rendering.save(tmp_path, name="x", audio="ogg")


def test_another_wish_is_fulfilled_and_nothing_else_changes(chorale, tmp_path):
    chorale.save(tmp_path, name="x")
    performed = (tmp_path / "x.performance.mid").read_bytes()
    assert chorale.save(tmp_path, name="x") == []
    assert len(chorale.save(tmp_path, name="x", tempo_events="beat")) == 3
    assert chorale.save(tmp_path, name="x", tempo_events="beat") == []
    assert len(chorale.save(tmp_path, name="x", tempo_events="beat", ppq=480, halved=True)) == 3
    assert chorale.save(tmp_path, name="x", tempo_events="beat", ppq=480, halved=True) == []
    halved = load(tmp_path / "x.daw.mid", whole=True).grid
    assert (halved.ticks_per_quarter, halved.time_signatures) == (480, ((0, 4, 8),))
    assert len(chorale.save(tmp_path, name="x", tempo_events="beat", plot=True)) == 4
    assert (tmp_path / "x.performance.mid").read_bytes() == performed


def test_others_are_kept(chorale, tmp_path):
    (tmp_path / "x.daw.mid").write_bytes(b"mine")
    with pytest.raises(PianistError, match=r"x\.daw\.mid: is there already"):
        chorale.save(tmp_path, name="x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.daw.mid"]


def test_a_performance_too_long_for_an_editable_file_is_written_all_the_same(chorale, tmp_path, monkeypatch):
    def refuse(*_):
        raise PianistError("too long")

    monkeypatch.setattr(extras, "map_tempo", refuse)
    names = [path.name for path in chorale.save(tmp_path, name="x", plot=True, audio=True)]
    assert names == ["x.performance.mid", "x.wav", "x.json"]
    told = json.loads((tmp_path / "x.json").read_text())
    assert told["performances"][0]["editable"] == {"left_out": "too long"}
    assert told["editable_worst_error_ms"] is None


def test_what_cannot_be_wished(tmp_path):
    rendering = render(made_up_score(5), lively_model())
    with pytest.raises(PianistError, match="choose onset, beat or bar"):
        rendering.save(tmp_path, tempo_events="half")
    with pytest.raises(PianistError, match=r"100 ticks a quarter.*\[480, 960, 1920, 3840\]"):
        rendering.save(tmp_path, ppq=100)
    with pytest.raises(PianistError, match="a plot needs a score file"):
        rendering.save(tmp_path, plot=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::UserWarning:partitura")
@pytest.mark.parametrize("events", ["onset", "beat"])
def test_sequencers_and_notation_programs_find_what_they_look_for(tmp_path, monkeypatch, events):
    """MuseScore, Logic and Cubase take tempi, time and key signatures from the first track, and only from there."""
    score = EXAMPLES / "petzold-minuet-bwvanh114.musicxml"
    monkeypatch.setattr(renderer, "within_limits", lambda score, performance: performance)
    rendering = render(score, lively_model(), expression=Expression(timing=0.1))
    rendering.save(tmp_path, name="x", tempo_events=events)
    file = mido.MidiFile(tmp_path / "x.daw.mid")
    assert file.type == 1
    assert file.ticks_per_beat == 960
    conductor, *hands = file.tracks
    assert all(message.is_meta for message in conductor)
    at_once = {message.type for message in itertools.takewhile(lambda m: m.time == 0, conductor)}
    assert at_once >= {"track_name", "time_signature", "key_signature", "set_tempo"}
    for hand in hands:
        kinds = {message.type for message in hand} - {"track_name", "program_change", "control_change"}
        assert kinds == {"key_signature", "note_on", "note_off", "end_of_track"}
        assert sum(message.type == "end_of_track" for message in hand) == 1
    assert [hand.name for hand in hands] == ["Right hand", "Left hand"]
    tempi = [message.tempo for message in conductor if message.type == "set_tempo"]
    assert all(200_000 <= tempo <= 3_000_000 for tempo in tempi)

    import partitura

    read = partitura.load_score_midi(tmp_path / "x.daw.mid")
    starts = [bar.start.t / file.ticks_per_beat for bar in read[0].measures]
    grid = rendering.grid
    assert grid is not None
    # partitura cuts the decimals of its own bar lines off. A bar that is a tick shorter for that it takes for an upbeat
    # and counts beats from the second: places are told by its divisions, which are the file's ticks.
    bars = grid.bars() / grid.ticks_per_quarter
    np.testing.assert_allclose(starts[:64], bars[:64], atol=1.5 / file.ticks_per_beat)
    notes = read.note_array()
    places = notes["onset_div"] / file.ticks_per_beat
    found = sorted(zip(notes["pitch"].tolist(), places.tolist(), strict=True))
    written = sorted(zip(rendering.score.pitch.tolist(), grid.quarters.tolist(), strict=True))
    away = np.abs([a[1] - b[1] for a, b in zip(found, written, strict=True)])
    assert [a[0] for a in found] == [b[0] for b in written]
    assert away.max() < 0.5
    if events == "onset":
        assert np.mean(away < 1e-6) > 0.5
