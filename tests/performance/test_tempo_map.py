import dataclasses
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import partitura
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import Notes, normalise, survivors
from pianist_jax.performance import tempo_map as tempo
from pianist_jax.performance.beyond import AS_NOTATION, beyond
from pianist_jax.performance.fidelity import compare
from pianist_jax.performance.tempo_events import PICTURES, SEQUENCERS
from pianist_jax.score.facts import Bar, KeySignature, TimeSignature
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.load import load
from pianist_jax.score.ornaments import OrnamentStyle
from pianist_jax.score.reading import Reading

MODES = pytest.mark.parametrize("events", ["onset", "beat"])  # that sound as they were played


def grid_of(onset, duration=None, part=None, tpq=480, signatures=((0, 4, 4),), keys=()):
    onset = np.asarray(onset, np.int64)
    duration = np.full(len(onset), tpq) if duration is None else np.asarray(duration)
    part = np.zeros(len(onset), np.int64) if part is None else np.asarray(part)
    names = ("Right hand", "Left hand")[: int(part.max(initial=0)) + 1]
    return ScoreGrid(tpq, onset, duration, part, names, signatures, keys)


def notes_of(pitch, onset, duration=100, velocity=64, pedal=()):
    n = len(onset)
    time, value = zip(*pedal, strict=True) if pedal else ((), ())
    pitch, onset, duration, velocity = (
        np.broadcast_to(np.asarray(column), n) for column in (pitch, onset, duration, velocity)
    )
    return Notes(pitch, onset, duration, velocity, np.array(time, np.int64), np.array(value, np.int64))


def worst(path, grid, performance, events):
    mapped = tempo.map_tempo(grid, performance, events)
    tempo.write_mapped(path, mapped)
    differences = compare(path, performance, mapped.offset)
    assert differences["note_on"].count == differences["note_off"].count == len(performance)
    return mapped, max(one.worst for one in differences.values())


@pytest.fixture
def played():
    """Four bars of 3/4, chords and a melody with rubato, both hands; 480 ticks a quarter."""
    rng = np.random.default_rng(1)
    chord = np.arange(12) * 480
    melody = np.arange(24) * 240
    onset, part = np.append(melody, chord), np.append(np.zeros(24, int), np.ones(12, int))
    pitch = np.append(72 + np.arange(24) % 12, 40 + np.arange(12) % 12)
    order = np.lexsort((pitch, onset))
    grid = grid_of(onset[order], part=part[order], signatures=((0, 3, 4),), keys=((0, "Bb"),))
    rubato = np.cumsum(rng.uniform(180, 420, 24)).astype(np.int64)
    rubato -= rubato[0]
    time = np.append(rubato, rubato[::2] + rng.integers(0, 30, 12))
    performance = notes_of(pitch[order], time[order], 150, pedal=[(0, 80), (900, 10), (1200, 90), (6000, 0)])
    return grid, performance


@st.composite
def adversarial(draw):
    """Scores and performances that have little to do with one another."""
    n = draw(st.integers(1, 40))
    gaps = st.sampled_from([0, 0, 1, 7, 40, 120, 160, 480, 1920, 19200])
    waits = st.sampled_from([-400, -20, 0, 0, 1, 1, 2, 13, 100, 300, 2000, 90_000])
    onset = draw(st.integers(0, 2000)) + np.cumsum(draw(st.lists(gaps, min_size=n, max_size=n)))
    time = np.maximum(np.cumsum(draw(st.lists(waits, min_size=n, max_size=n))), 0)
    time = time + draw(st.sampled_from([0, 3, 5000]))
    pitch = draw(st.lists(st.integers(21, 108), min_size=n, max_size=n))
    lengths = st.sampled_from([1, 1, 2, 30, 400, 30_000])
    duration = draw(st.lists(lengths, min_size=n, max_size=n))
    pedal = sorted(draw(st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 127)), max_size=10)))
    raw = notes_of(pitch, time, duration, pedal=pedal)
    part = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    kept = survivors(raw)
    signature = draw(st.sampled_from([(4, 4), (6, 8), (3, 4), (2, 2), (5, 16)]))
    written = draw(st.sampled_from([1, 5, 480, 3000]))
    grid = ScoreGrid(480, onset[kept], np.full(len(kept), written), part[kept], ("R", "L"), ((0, *signature),))
    return grid, normalise(raw)[0]


def most_crowded(performance, tick):
    """How many strikes of one key follow each other by less than a tick: each needs one of its own in the file."""
    longest = 1
    for pitch in np.unique(performance.pitch):
        close = np.diff(performance.onset[performance.pitch == pitch]) < tick
        longest = max(longest, *(len(run) + 1 for run in "".join("x" if x else " " for x in close).split()), 1)
    return longest


def crowded():
    """One key struck three times within two milliseconds, where a tick of the slowest tempo is three."""
    time = [0, 83601, 83602, 84001, 84401, 84801, 85201, 85600, 85601, 85602]
    n = len(time)
    grid = ScoreGrid(480, np.zeros(n, int), np.ones(n, int), np.zeros(n, int), ("R", "L"), ((0, 4, 4),))
    return grid, notes_of([21] * n, time, [1] * n)


@MODES
@settings(max_examples=60)
@example(case=crowded())
@given(case=adversarial())
def test_anything_sounds_as_it_was_played(events, case, tmp_path_factory):
    grid, performance = case
    mapped, error = worst(tmp_path_factory.mktemp("daw") / "a.mid", grid, performance, events)
    longest = mapped.tempo.micros.max() / 960_000
    ticks = max(2, most_crowded(performance, longest))  # two where keys pass from hand to hand
    assert error <= tempo.SNAP + ticks * longest
    assert 200_000 <= mapped.tempo.micros.min() <= mapped.tempo.micros.max() <= 3_000_000


@MODES
def test_five_thousand_notes_do_not_drift(events, tmp_path):
    rng = np.random.default_rng(0)
    n = 5000
    gap = rng.choice([0, 120, 160, 240, 480], n, p=[0.4, 0.2, 0.1, 0.2, 0.1])
    onset = np.cumsum(gap) - gap[0]
    pace = np.exp(np.cumsum(rng.normal(0, 0.02, n)) * 0.3)
    time = np.rint(np.cumsum(gap * pace * rng.uniform(0.7, 1.4, n))).astype(np.int64) + rng.integers(0, 25, n)
    raw = notes_of(21 + np.arange(n) % 88, time, rng.integers(1, 4000, n), rng.integers(1, 128, n))
    time_of_pedal = np.sort(rng.integers(0, time.max(), 20_000))
    value = rng.integers(0, 128, 20_000)
    raw = dataclasses.replace(raw, pedal_time=time_of_pedal, pedal_value=value)
    kept = survivors(raw)
    assert len(kept) == n
    mapped, error = worst(tmp_path / "a.mid", grid_of(onset[kept]), normalise(raw)[0], events)
    assert error <= 1
    assert mapped.tempo.tick[-1] > 0.99 * mapped.grid.max()


@MODES
@pytest.mark.parametrize("hold", [11_000, 60_000, 900_000])
def test_a_fermata_longer_than_midi_can_say(events, hold, tmp_path):
    onset = np.arange(200) * 120
    time = np.arange(200) * 130 + np.where(np.arange(200) > 100, hold, 0)
    grid = grid_of(onset)
    mapped, error = worst(tmp_path / "a.mid", grid, notes_of(30 + np.arange(200) % 60, time), events)
    assert error <= 1
    on_grid = mapped.notes.onset == mapped.grid
    if events == "onset":
        # At 25 bpm the hold takes its length / 2.4 s quarters, whose semiquavers lose their place.
        assert np.count_nonzero(~on_grid) <= min(hold // 450, 99)


@MODES
def test_everything_at_once(events, tmp_path):
    performance = notes_of(30 + np.arange(60), np.full(60, 777), 1, pedal=[(100, 127), (777, 3), (778, 0)])
    mapped, error = worst(tmp_path / "a.mid", grid_of(np.arange(60) * 480), performance, events)
    assert error <= 0.5
    assert mapped.offset == -777
    assert (mapped.notes.onset == 0).all()


def test_the_first_note_of_every_chord_stands_on_the_grid(played, tmp_path):
    grid, performance = played
    mapped, error = worst(tmp_path / "a.mid", grid, performance, "onset")
    assert error <= 0.5
    for place in np.unique(grid.onset):
        chord = np.flatnonzero(grid.onset == place)
        first = chord[np.argmin(performance.onset[chord])]
        assert mapped.notes.onset[first] == mapped.grid[first] == place * mapped.tempo.ticks_per_quarter // 480
    late = performance.onset > performance.onset.min()
    assert (mapped.notes.onset >= mapped.grid)[late].all()


def test_beats_alone_carry_tempi(played, tmp_path):
    grid, performance = played
    mapped, error = worst(tmp_path / "a.mid", grid, performance, "beat")
    assert error <= 0.5
    assert len(mapped.tempo.tick) == 12
    assert (mapped.tempo.tick % mapped.tempo.ticks_per_quarter == 0).all()
    compound = dataclasses.replace(grid, time_signatures=((0, 6, 8),))
    mapped = tempo.map_tempo(compound, performance, "beat")
    assert (mapped.tempo.tick % (mapped.tempo.ticks_per_quarter * 3 // 2) == 0).all()


@pytest.mark.parametrize(
    ("held", "pedal", "last"), [(300, [], 800), (300, [(100, 90), (9000, 0)], 1200), (4000, [], 1000)]
)
def test_the_last_chord_keeps_the_tempo_of_the_ritardando_or_fills_its_length(held, pedal, last):
    time = np.cumsum([0, 500, 500, 600, 700, 800])
    duration = np.append(np.full(5, 100), held)
    performance = notes_of(60 + np.arange(6), time, duration, pedal=pedal)
    score = grid_of(np.arange(6) * 480, np.append(np.full(5, 480), 1920 if held == 4000 else 2400))
    mapped = tempo.map_tempo(score, performance)
    expected = (9000 - 3100) / 5 * 1000 if pedal else last * 1000
    assert mapped.tempo.micros[-1] == pytest.approx(expected, abs=1)


def test_notation_programs_find_notes_where_and_as_long_as_they_are_written(played):
    grid, performance = played
    performance = dataclasses.replace(performance, pedal_time=performance.onset[-1:], pedal_value=np.array([99]))
    mapped = tempo.map_tempo(grid, performance, "bar")
    quarter = mapped.tempo.ticks_per_quarter
    assert mapped.tempo.tick.tolist() == [0, 2880, 5760, 8640, 11520]
    np.testing.assert_array_equal(mapped.notes.onset, grid.onset * quarter // 480)
    np.testing.assert_array_equal(mapped.notes.duration, grid.duration * quarter // 480)
    np.testing.assert_array_equal(mapped.notes.velocity, performance.velocity)
    assert abs(mapped.notes.pedal_time[0] - mapped.grid[-1]) < quarter / 4  # it moves with its note
    bars = grid.bars()[:4] * quarter // 480
    first = [performance.onset[mapped.grid == line].min() + mapped.offset for line in bars]
    np.testing.assert_allclose(mapped.tempo.milliseconds(bars), first, atol=1)
    assert beyond(mapped, performance, SEQUENCERS) == (AS_NOTATION,)


@pytest.mark.parametrize("pace", [2700, 2500, 2000, 1200])
def test_the_tempo_changes_at_events_where_ticks_are_long(pace):
    rng = np.random.default_rng(pace)
    onset = np.arange(60)
    time = onset * pace // 4 + rng.integers(0, 30, 60)
    pedal = [(int(ms), 10 + k % 100) for k, ms in enumerate(np.unique(rng.integers(0, time[-1], 300)))]
    performance = notes_of(30 + onset, time, rng.integers(50, 400, 60), pedal=pedal)
    for events in ("onset", "beat"):
        mapped = tempo.map_tempo(grid_of(onset * 120), performance, events)
        clock = mapped.tempo.milliseconds
        for ticks, ms in [
            (mapped.notes.onset, performance.onset),
            (mapped.notes.end, performance.end),
            (mapped.notes.pedal_time, performance.pedal_time),
        ]:
            assert np.abs(clock(ticks) - np.maximum(ms + mapped.offset, 0)).max() <= 1
        assert mapped.tempo.micros.max() <= 3_000_000


@MODES
@pytest.mark.parametrize("pace", [1900, 1500, 1200])
def test_a_key_passes_from_hand_to_hand_in_time(events, pace, tmp_path):
    """Two ticks are needed where one hand lets go a millisecond before the other strikes."""
    rng = np.random.default_rng(pace)
    onset = np.arange(80) * 120
    time = onset * pace // 480 + rng.integers(0, 50, 80)
    performance = notes_of(np.full(80, 60), time, np.append(np.diff(time) - 1, 500))
    _, error = worst(tmp_path / "a.mid", grid_of(onset, part=np.arange(80) % 2), performance, events)
    assert error <= 1


def test_strikes_of_one_key_stay_apart_where_a_tick_is_long(tmp_path):
    performance = notes_of([60, 60, 60, 62], [0, 1, 2, 6000], [1, 1, 1, 500])
    mapped, error = worst(tmp_path / "a.mid", grid_of([0, 1, 2, 960]), performance, "onset")
    assert mapped.notes.onset.tolist() == [0, 1, 2, 1920]
    assert error == pytest.approx(3 * 3.125 - 3, abs=0.01)  # of the last note's end
    said = beyond(mapped, performance, SEQUENCERS)
    assert said == ("bar 1: some events are up to 6.4 ms off, so long are ticks there (--ppq 3840 is finer)",)


def test_what_the_limits_cost_is_told_bar_by_bar():
    onset, time = np.arange(24) * 480, np.cumsum(np.repeat([0, 150, 500, 3500, 500], [1, 8, 8, 4, 3]))
    grid, performance = grid_of(onset), notes_of(40 + np.arange(24), time)
    mapped = tempo.map_tempo(grid, performance)
    said = beyond(mapped, performance, SEQUENCERS, changed=(2, 3, 4, 6))
    fast, slow = (next(line for line in said if f": {word} than" in line) for word in ("faster", "slower"))
    assert fast == "bars 1-2: faster than 300 quarters a minute; notes leave their beats"
    assert slow == "bar 5: slower than 20 quarters a minute; notes leave their beats"
    wider = tempo.map_tempo(grid, performance, limits=PICTURES)
    assert beyond(wider, performance, PICTURES) == ()
    assert (wider.notes.onset == wider.grid).all()


@pytest.mark.parametrize("events", tempo.TEMPO_EVENTS)
@pytest.mark.filterwarnings("ignore::UserWarning:partitura")
def test_other_readers_see_the_score(events, played, tmp_path):
    grid, performance = played
    path = tmp_path / "a.mid"
    mapped = tempo.map_tempo(grid, performance, events)
    tempo.write_mapped(path, mapped)
    file = mido.MidiFile(path)
    assert [track.name for track in file.tracks] == ["a", "Right hand", "Left hand"]
    assert [sum(m.type == "note_on" for m in track) for track in file.tracks] == [0, 24, 12]
    assert [m.key for m in file.tracks[0] if m.type == "key_signature"] == ["Bb"]
    assert all(m.time == 0 for m in file.tracks[0] if m.type == "time_signature")

    score = partitura.load_score_midi(path)
    whole = file.ticks_per_beat
    assert [bar.start.t for bar in score[0].measures][:4] == [3 * k * whole for k in range(4)]
    notes = score.note_array()
    beats = sorted(zip(notes["pitch"].tolist(), np.rint(notes["onset_beat"] * whole).tolist(), strict=True))
    assert beats == sorted(zip(performance.pitch.tolist(), mapped.notes.onset.tolist(), strict=True))
    assert np.abs(mapped.notes.onset - mapped.grid).max() < whole / 4


def test_a_key_passes_from_hand_to_hand(tmp_path):
    grid = grid_of([0, 480, 960], part=[0, 1, 0])
    performance = notes_of([60, 60, 60], [0, 500, 501], [500, 1, 300])
    path = tmp_path / "a.mid"
    mapped, error = worst(path, grid, performance, "onset")
    assert error <= 0.5
    assert mapped.notes.end[0] < mapped.notes.onset[1]
    back = normalise(read_midi(path))[0]
    assert back.onset.tolist() == [0, 500, 501]
    assert np.abs(back.duration - performance.duration).max() <= 1


@pytest.mark.parametrize(
    ("first", "begins", "offset"),
    [(0, 0, 0), (0, 800, -800), (480, 700, 0), (480, 0, 500), (480, 20_000, -19_500)],
)
def test_silence_before_the_first_note(first, begins, offset, tmp_path):
    onset = first + np.arange(8) * 480
    performance = notes_of(60 + np.arange(8), begins + np.arange(8) * 500, pedal=[(begins, 127)])
    mapped, error = worst(tmp_path / "a.mid", grid_of(onset), performance, "onset")
    assert mapped.offset == offset
    assert error <= 0.5


def test_the_grid_of_a_file_belongs_to_its_normalised_notes(tmp_path):
    file = mido.MidiFile(type=1, ticks_per_beat=96)
    head = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=1, denominator=4)])
    head.append(mido.MetaMessage("time_signature", numerator=3, denominator=4, time=96))
    head.append(mido.MetaMessage("key_signature", key="Fm"))
    low = mido.MidiTrack([mido.Message("note_on", note=40, velocity=50, time=96)])
    low.append(mido.Message("note_off", note=40, time=192))
    low.append(mido.Message("note_on", note=67, velocity=50))
    low.append(mido.Message("note_off", note=67, time=10))
    high = mido.MidiTrack()
    for pitch in (72, 71, 69, 67):
        high += [
            mido.Message("note_on", note=pitch, velocity=70),
            mido.Message("note_off", note=pitch, time=96),
        ]
    file.tracks += [head, low, high]
    path = tmp_path / "a.mid"
    file.save(path)
    grid, notes = load(path, whole=True).grid, normalise(read_midi(path))[0]
    assert notes.pitch.tolist() == [72, 40, 71, 69, 67]  # the low 67 was merged
    assert grid.onset.tolist() == [0, 96, 96, 192, 288]
    assert grid.duration.tolist() == [96, 192, 96, 96, 96]
    assert [grid.part_names[part] for part in grid.part] == [
        "Right hand", "Left hand", "Right hand", "Right hand", "Right hand",
    ]  # fmt: skip
    assert grid.time_signatures == ((0, 1, 4), (96, 3, 4))
    assert grid.key_signatures == ((96, "Fm"),)
    assert grid.bars().tolist() == [0, 96, 384]
    assert grid.beats().tolist() == [0, 96, 192, 288, 384]
    assert grid.bar_of([0, 96, 240]).tolist() == [1.0, 2.0, 2.5]


def test_bars_under_changing_signatures():
    grid = grid_of([0, 5000], signatures=((0, 6, 8), (2880, 2, 2)))
    assert grid.bars().tolist() == [0, 1440, 2880, 4800, 6720]
    assert grid.beats().tolist() == [0, 720, 1440, 2160, 2880, 3840, 4800, 5760]


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["bach-prelude-bwv846", "chopin-prelude-op28-20", "petzold-minuet-bwvanh114"])
def test_notation_and_midi_have_one_grid(name):
    score = load(EXAMPLES / f"{name}.musicxml", Reading(style=OrnamentStyle(played=False)))
    grid, twin = score.grid, load(EXAMPLES / f"{name}.mid", whole=True).grid
    assert len(grid) == len(normalise(score.notes)[0])
    np.testing.assert_array_equal(grid.quarters, twin.quarters)
    np.testing.assert_array_equal(grid.part, twin.part)
    np.testing.assert_array_equal(grid.bars() / grid.ticks_per_quarter, twin.bars() / twin.ticks_per_quarter)
    assert grid.part_names == twin.part_names == ("Right hand", "Left hand")
    assert grid.time_signatures == twin.time_signatures
    assert grid.key_signatures == twin.key_signatures


def test_bars_that_are_not_what_their_signature_says():
    score = load(EXAMPLES / "petzold-minuet-bwvanh114.musicxml")
    starts = [0, 1, 4, 6.0625, 9.0625]
    bars = [Bar(start, stop - start, k) for k, (start, stop) in enumerate(pairwise([*starts, 12.0625]))]
    signs = (TimeSignature(0, 3, 4),)
    keys = (KeySignature(0, -7, True), KeySignature(4, 6, False))
    score = dataclasses.replace(score, bars=tuple(bars), time_signatures=signs, key_signatures=keys)
    grid = score.grid
    assert grid.time_signatures == ((0, 1, 4), (480, 3, 4), (1920, 33, 64), (2910, 3, 4))
    assert (grid.bars()[:5] / 480).tolist() == starts
    assert grid.key_signatures == ((0, "Abm"), (1920, "F#"))


def test_what_makes_no_sense_is_refused(played, tmp_path):
    grid, performance = played
    with pytest.raises(ValueError, match="score has 36 notes, the performance 2"):
        tempo.map_tempo(grid, notes_of([60, 61], [0, 1]))
    with pytest.raises(ValueError, match="tempo events 'half'"):
        tempo.map_tempo(grid, performance, "half")
    with pytest.raises(ValueError, match="overlap"):
        tempo.map_tempo(grid_of([0, 480]), notes_of([60, 60], [0, 50]))
    far = grid_of([0, 480_000_000])
    with pytest.raises(PianistError, match="too long"):
        tempo.map_tempo(far, notes_of([60, 61], [0, 80_000_000]))
    with pytest.raises(ValueError, match="time signature at tick 0"):
        dataclasses.replace(grid, time_signatures=((480, 4, 4),))


def test_the_comparison_notices(played, tmp_path):
    grid, performance = played
    path = tmp_path / "a.mid"
    mapped, _ = worst(path, grid, performance, "onset")
    late = performance.onset.copy()
    late[20] += 7
    assert compare(path, dataclasses.replace(performance, onset=late), 0)["note_on"].worst > 6.5
    assert compare(path, performance, 3)["pedal"].worst > 2.5
    with pytest.raises(ValueError, match="note_on events differ"):
        compare(path, dataclasses.replace(performance, velocity=performance.velocity + 1), 0)
    with pytest.raises(ValueError, match="pedal events differ"):
        compare(path, dataclasses.replace(performance, pedal_value=performance.pedal_value + 1), 0)
    tempo.write_mapped(path, dataclasses.replace(mapped, notes=_without_pedal(mapped.notes)))
    with pytest.raises(ValueError, match="pedal is missing"):
        compare(path, performance, 0)


def _without_pedal(notes):
    return dataclasses.replace(notes, pedal_time=np.zeros(0, int), pedal_value=np.zeros(0, int))
