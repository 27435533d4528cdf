"""What a score says, feature by feature, on made-up files; the examples agree with their MIDI twins."""

from pathlib import Path

import numpy as np
import pytest

from examples.build import FOLDER
from pianist_jax.music.midi import read_midi
from pianist_jax.score.load import LEVELS, KeySignature, Mark, ScoreError, Tempo, TimeSignature, load
from pianist_jax.score.ornaments import OrnamentStyle
from pianist_jax.score.reading import Reading
from tests.music.helpers import assert_same, midi, off, on, pedal, tempo, track
from tests.score.xml_text import attributes, backup, direction, note, read, rows, score_xml

DATA = Path(__file__).parent.parent / "data" / "scores"
EXAMPLES = sorted(FOLDER.glob("*.musicxml"))
TIE = '<tie type="{}"/>'
SLASHED = note("D5", 0, grace=True).replace("<grace/>", '<grace slash="yes"/>')
WRITTEN = OrnamentStyle(played=False)


def whole(pitch="C4", **more):
    return note(pitch, 96, **more)


def rates(score):
    return [(tempo.start, tempo.quarters_per_minute) for tempo in score.tempos]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_equal_their_midi(path):
    score, twin = load(path, Reading(style=WRITTEN)), load(path.with_suffix(".mid"))
    order = np.lexsort((twin.notes.pitch, twin.onset))  # MIDI stands track by track
    assert rows(score) == [rows(twin)[note] for note in order]
    for column in ("pitch", "onset", "duration"):
        np.testing.assert_array_equal(getattr(score.notes, column), getattr(twin.notes, column)[order], column)
    # The crescendo that ends the Largo leads to no mark: only the MIDI says where to.
    plain = score.hairpin == 0
    np.testing.assert_array_equal(score.notes.velocity[plain], twin.notes.velocity[order][plain])
    assert plain.sum() == len(score) - (51 if "chopin" in path.stem else 0)
    np.testing.assert_array_equal(score.hand, twin.hand[order])
    assert [bar.start for bar in score.bars] == [bar.start for bar in twin.bars]
    assert rates(score) == rates(twin)
    assert score.tempos[0].seen
    assert score.tempos[0].unit == 1
    assert score.time_signatures == twin.time_signatures
    assert score.key_signatures == twin.key_signatures


def test_example_plays_its_repeats_and_names_its_notes():
    path = FOLDER / "petzold-minuet-bwvanh114.musicxml"
    score, once = load(path, Reading(style=WRITTEN)), load(path, Reading(repeats=False, style=WRITTEN))
    assert (len(score), len(score.bars)) == (406, 64)
    assert (len(once), len(once.bars)) == (203, 32)
    assert len(set(score.note_id)) == 406
    assert set(once.note_id) == {name for name in score.note_id if not name.endswith("-2")}
    assert {bar.time_through for bar in score.bars} == {1, 2}
    assert score.bar_number.max() == 32


def test_columns_have_the_shapes_and_types_that_are_promised(tmp_path):
    score = read(tmp_path, score_xml(attributes() + whole() + note("E4", 96, chord=True)))
    kinds = {
        "bar": np.int32,
        "beat": np.float64,
        "onset": np.float64,
        "duration": np.float64,
        "hand": np.int8,
        "voice": np.int16,
        "grace": np.bool_,
        "marks": np.uint32,
        "level": np.int8,
        "hairpin": np.int8,
        "gradual": np.int8,
    }
    for name, kind in kinds.items():
        column = getattr(score, name)
        assert column.dtype == kind, name
        assert column.shape == (2,), name
    assert len(score.note_id) == len(score) == 2
    assert score.pedal.shape == score.notes.pedal_time.shape == (0,)


@pytest.mark.parametrize(("signs", "share"), [("", 1), ("<staccato/>", 1 / 2), ("<staccatissimo/>", 1 / 3),
    ("<tenuto/>", 1), ("<staccato/><tenuto/>", 2 / 3), ('<strong-accent type="up"/>', 2 / 3)])  # fmt: skip
def test_staccato_sounds_short(tmp_path, signs, share):
    """A quarter at 120: 500 ms; its written length stays."""
    notation = f"<articulations>{signs}</articulations>" if signs else ""
    score = read(tmp_path, score_xml(attributes() + note("C4", 24, notations=notation) + note("D4", 72)))
    assert score.notes.duration.tolist() == [round(500 * share), 1500]
    assert score.duration.tolist() == [1.0, 3.0]


def test_ties_are_joined_over_the_bar_line(tmp_path):
    tied = [TIE.format("start"), TIE.format("stop") + TIE.format("start"), TIE.format("stop")]
    first = attributes() + note("C4", 72) + note("G4", 24, inside=tied[0], notations="<fermata/>")
    second = note("G4", 96, inside=tied[1])
    third = note("G4", 24, inside=tied[2]) + note("G4", 72)
    score = read(tmp_path, score_xml(first, second, third))
    assert rows(score) == [(60, 0.0, 3.0), (67, 3.0, 6.0), (67, 9.0, 3.0)]
    assert score.marks[1] == Mark.FERMATA
    assert score.notes.duration.tolist() == [1500, 3000, 1500]  # a fermata is not lengthened


def test_ties_that_are_only_drawn_are_ties(tmp_path):
    first = attributes() + note("C4", 96, notations='<tied type="start"/>')
    score = read(tmp_path, score_xml(first, note("C4", 48, notations='<tied type="stop"/>') + note("C4", 48)))
    assert rows(score) == [(60, 0, 6), (60, 6, 2)]


def test_ties_of_two_voices_on_one_pitch_stay_apart(tmp_path):
    start, stop = TIE.format("start"), TIE.format("stop")
    first = attributes() + whole(inside=start) + backup(48) + note("C4", 48, inside=start, voice=2)
    second = note("C4", 24, inside=stop) + backup(24) + note("C4", 96, inside=stop, voice=2)
    score = read(tmp_path, score_xml(first, second))
    assert rows(score) == [(60, 0.0, 5.0), (60, 2.0, 6.0)]


def test_a_tie_whose_second_end_is_missing_leads_to_the_next_note(tmp_path):
    """As some programs write ties between voices. Where the end is written, it is that and no other."""
    start, stop = TIE.format("start"), TIE.format("stop")
    first = attributes() + note("C4", 96, inside=start) + backup(96) + note("E4", 96, voice=2, inside=start)
    second = note("E4", 48) + note("C4", 48) + backup(96) + note("C4", 48, voice=2)
    score = read(tmp_path, score_xml(first, second))
    assert rows(score) == [(60, 0, 6), (64, 0, 6), (60, 6, 2)]
    second = note("C4", 48) + backup(48) + note("C4", 24, voice=2, inside=stop)
    score = read(tmp_path, score_xml(first, second))
    assert rows(score)[:3] == [(60, 0, 5), (64, 0, 4), (60, 4, 2)]


def test_a_tie_that_leads_nowhere_leaves_the_note_as_it_is(tmp_path):
    score = read(tmp_path, score_xml(attributes() + note("C4", 48, inside=TIE.format("start")) + note("D4", 48)))
    assert rows(score) == [(60, 0.0, 2.0), (62, 2.0, 2.0)]


def test_grace_notes_take_the_time_before_their_beat(tmp_path):
    graces = note("D5", 0, grace=True) + note("F5", 0, grace=True, chord=True) + note("E5", 0, grace=True)
    score = read(tmp_path, score_xml(attributes() + note("C5", 48) + graces + note("C5", 48)))
    assert rows(score) == [(72, 0, 2), (74, 1.75, 0.125), (77, 1.75, 0.125), (76, 1.875, 0.125), (72, 2, 2)]
    assert score.grace.tolist() == [False, True, True, True, False]
    assert score.beat.tolist() == [0, 1.75, 1.75, 1.875, 2]


def test_many_grace_notes_fill_half_of_the_room(tmp_path):
    graces = "".join(note("D5", 0, grace=True) for _ in range(4))
    score = read(tmp_path, score_xml(attributes() + note("C5", 72) + note("C5", 12) + graces + note("E5", 12)))
    assert score.onset[score.grace].tolist() == [3.25, 3.3125, 3.375, 3.4375]


def test_a_piece_may_begin_with_a_grace_note(tmp_path):
    score = read(tmp_path, score_xml(attributes() + SLASHED + whole()))
    assert score.onset.tolist() == [-0.125, 0]
    assert score.beat.tolist() == [-0.125, 0]
    assert score.notes.onset.tolist() == [0, 62]
    assert score.lead == 62.5
    np.testing.assert_allclose(score.milliseconds(score.onset), [0, 62.5])


def test_a_grace_note_tied_to_its_main_note_is_one_note(tmp_path):
    grace = note("E5", 0, grace=True, inside=TIE.format("start"))
    score = read(tmp_path, score_xml(attributes() + note("C5", 48) + grace + note("E5", 48, inside=TIE.format("stop"))))
    assert rows(score) == [(72, 0, 2), (76, 1.875, 2.125)]


def test_pick_up_bar(tmp_path):
    score = read(tmp_path, score_xml(attributes(3) + note("G4", 24), note("C5", 72), note("D5", 72), first=0))
    assert [(bar.start, bar.length, bar.number, bar.pickup) for bar in score.bars] == [
        (0, 1, 0, True),
        (1, 3, 1, False),
        (4, 3, 2, False),
    ]
    assert score.bar_number.tolist() == [0, 1, 2]
    assert score.beat.tolist() == [0, 0, 0]


def test_staves_voices_and_parts_are_merged(tmp_path):
    bar = attributes() + note("C5", 96, voice=1) + backup(96) + note("E4", 48, voice=2) + backup(48)
    score = read(tmp_path, score_xml(bar + note("C3", 96, staff=2, voice=5)))
    assert list(zip(score.notes.pitch.tolist(), score.hand.tolist(), score.voice.tolist(), strict=True)) == [
        (48, 2, 5),
        (64, 1, 2),
        (72, 1, 1),
    ]
    two_parts = score_xml(attributes() + whole("C5")).replace(
        "</score-partwise>",
        f'<part id="P2"><measure number="1">{attributes() + whole("C3")}</measure></part></score-partwise>',
    )
    score = read(tmp_path, two_parts)
    assert list(zip(score.notes.pitch.tolist(), score.hand.tolist(), strict=True)) == [(48, 2), (72, 1)]


def test_timewise_scores(tmp_path):
    bars = [attributes() + whole("C5"), whole("D5")]
    content = "".join(f'<measure number="{n}"><part id="P1">{bar}</part></measure>' for n, bar in enumerate(bars, 1))
    score = read(tmp_path, f"<score-timewise>{content}</score-timewise>")
    assert rows(score) == [(72, 0, 4), (74, 4, 4)]
    assert score.bar_number.tolist() == [1, 2]


def test_transposing_instruments_sound_and_percussion_is_reported(tmp_path):
    transpose = "<transpose><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>"
    drum = "<note><unpitched/><duration>24</duration><voice>1</voice></note>"
    score = read(tmp_path, score_xml(attributes(more=transpose) + note("C5", 72) + drum))
    assert rows(score) == [(58, 0, 3)]
    assert score.left_out == ("1 percussion notes",)
    with pytest.raises(ScoreError, match=r"no notes \(1 percussion notes left out\)"):
        read(tmp_path, score_xml(attributes() + drum))


METRONOME = "<metronome><beat-unit>half</beat-unit><beat-unit-dot/><per-minute>c. 40</per-minute></metronome>"


def test_tempo_marks(tmp_path):
    first = attributes() + direction(METRONOME) + whole()
    second = (
        '<sound tempo="60"/>'
        + note("C4", 48)
        + direction("<words>a tempo</words>", sound='tempo="240"')
        + note("C4", 48)
    )
    score = read(tmp_path, score_xml(first, second))
    assert score.tempos == (Tempo(0, 120, 3, True), Tempo(4, 60), Tempo(6, 240, seen=True))
    assert score.notes.onset.tolist() == [0, 2000, 4000]
    assert score.notes.duration.tolist() == [2000, 2000, 500]


def test_a_sound_beats_the_metronome_beside_it_and_the_default_is_120(tmp_path):
    late = attributes() + whole() + direction(METRONOME, sound='tempo="80"')
    assert read(tmp_path, score_xml(late, whole())).tempos == (Tempo(0, 120), Tempo(4, 80, 3, True))
    assert read(tmp_path, score_xml(attributes() + whole())).tempos == (Tempo(0, 120),)
    absurd = read(tmp_path, score_xml(attributes() + '<sound tempo="0"/>' + whole()))
    assert absurd.tempos == (Tempo(0, 120),)
    assert absurd.left_out == ("1 impossible tempo marks",)


def test_signatures(tmp_path):
    score = read(
        tmp_path,
        score_xml(attributes(3, 8, -3, "minor") + note("C4", 36), attributes(2, 4, 2) + note("C4", 48)),
    )
    assert score.time_signatures == (TimeSignature(0, 3, 8), TimeSignature(1.5, 2, 4))
    assert score.key_signatures == (KeySignature(0, -3, True), KeySignature(1.5, 2, False))


def dynamics(*marks):
    return "<dynamics>" + "".join(f"<{mark}/>" for mark in marks) + "</dynamics>"


def test_dynamics_make_velocities(tmp_path):
    first = attributes() + note("C4", 48) + direction(dynamics("p")) + note("D4", 48) + backup(96)
    first += note("C3", 96, staff=2, voice=5)
    second = note("E4", 24) + direction(dynamics("sf")) + note("F4", 24) + note("G4", 24)
    second += (
        direction(dynamics("ff"), sound='dynamics="130"') + note("A4", 24) + note("B4", 24, attributes='dynamics="50"')
    )
    score = read(tmp_path, score_xml(first, second))
    assert score.notes.velocity.tolist() == [80, 80, 49, 49, 112, 49, 117, 45]
    names = [LEVELS[level] if level >= 0 else None for level in score.level.tolist()]
    assert names == [None, None, "p", "p", "p", "p", "ff", "ff"]
    assert [bool(marks & Mark.SFORZANDO) for marks in score.marks.tolist()] == [False] * 4 + [True] + [False] * 3


def test_fp_is_loud_once(tmp_path):
    bar = attributes() + direction(dynamics("fp")) + note("C4", 24) + note("D4", 24) + note("E4", 48)
    assert read(tmp_path, score_xml(bar)).notes.velocity.tolist() == [112, 49, 49]


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ('<wedge type="crescendo"/>', '<wedge type="stop"/>'),
        ("<words>poco cresc.</words>", "<words>sempre</words>"),
    ],
)
def test_hairpins(tmp_path, begin, end):
    first = attributes() + direction(dynamics("p")) + note("C4", 24) + direction(begin) + note("D4", 48)
    first += note("E4", 24)
    second = direction(end) + direction(dynamics("f")) + note("F4", 48) + direction('<wedge type="diminuendo"/>')
    second += note("G4", 48) + direction('<wedge type="stop"/>')
    score = read(tmp_path, score_xml(first, second))
    assert score.hairpin.tolist() == [0, 1, 1, 0, -1]
    # One quarter after p up to f in three quarters; nothing follows the diminuendo, so that it changes nothing.
    assert score.notes.velocity.tolist() == [49, 49, 80, 96, 96]


def test_articulation_ornaments_and_slurs_are_marks(tmp_path):
    signs = {
        "<articulations><staccato/><accent/></articulations>": Mark.STACCATO | Mark.ACCENT,
        "<articulations><strong-accent/><tenuto/></articulations>": Mark.MARCATO | Mark.TENUTO,
        "<articulations><staccatissimo/><breath-mark/></articulations>": Mark.STACCATISSIMO | Mark.BREATH,
        "<ornaments><trill-mark/></ornaments>": Mark.TRILL,
        "<ornaments><inverted-mordent/></ornaments>": Mark.MORDENT,
        "<ornaments><turn/></ornaments>": Mark.TURN,
        '<ornaments><tremolo type="single">3</tremolo></ornaments>': Mark.TREMOLO,
        "<arpeggiate/>": Mark.ARPEGGIO,
        "<fermata/>": Mark.FERMATA,
        "<technical><fingering>1</fingering></technical>": 0,
    }
    bar = "".join(note("C4", 12, notations=sign) for sign in signs)
    score = read(tmp_path, score_xml(attributes(5, 4) + bar), style=WRITTEN)
    assert score.marks.tolist() == [int(mark) for mark in signs.values()]
    np.testing.assert_array_equal(score.onset, np.arange(10) / 2)  # facts, where they are not played

    slurred = note("C4", 24) + note("D4", 24, notations='<slur type="start" number="1"/>') + note("E4", 24)
    slurred += (
        note("F4", 24, notations='<slur type="stop" number="1"/>') + backup(96) + note("C3", 96, voice=5, staff=2)
    )
    under = Mark.SLUR
    score = read(tmp_path, score_xml(attributes() + slurred, whole()))
    assert score.marks.tolist() == [0, 0, under | Mark.SLUR_START, under, under | Mark.SLUR_STOP, 0]


@pytest.mark.parametrize("software", ["MuseScore 2.3.2", "MuseScore 3.6.2", "Finale 2014", "MuseScore 4.4.2", ""])
def test_cue_notes_are_silent_but_where_a_program_means_small_ones(tmp_path, software):
    """MuseScore, before its fourth version, and Finale mark as cues what is printed small, cadenzas for one."""
    text = score_xml(attributes() + note("C4", 48, inside="<cue/>") + note("D4", 48))
    told = f"<identification><encoding><software>{software}</software></encoding></identification><part-list>"
    score = read(tmp_path, text.replace("<part-list>", told))
    if software.startswith(("MuseScore 2", "MuseScore 3", "Finale")):
        assert score.marks.tolist() == [int(Mark.SMALL), 0]
    else:
        assert rows(score) == [(62, 2, 2)]
        assert score.left_out == ("1 cue notes",)


def test_written_pedal_becomes_pedal_events(tmp_path):
    def sign(kind):
        return direction(f'<pedal type="{kind}"/>', staff=2)

    first = attributes() + sign("start") + note("C4", 48) + sign("change") + note("D4", 48)
    second = sign("stop") + sign("start") + whole() + sign("stop")
    score = read(tmp_path, score_xml(first, second))
    # A change lifts the pedal for an eighth of a quarter.
    assert score.pedal.tolist() == [0, 2, 2.125, 4, 4.125, 8]
    assert score.notes.pedal_time.tolist() == [0, 1000, 1062, 2000, 2062, 4000]
    assert score.notes.pedal_value.tolist() == [127, 0, 127, 0, 127, 0]


def test_bare_damper_pedal_sounds(tmp_path):
    bar = attributes() + '<sound damper-pedal="yes"/>' + whole() + '<sound damper-pedal="no"/>'
    assert read(tmp_path, score_xml(bar)).notes.pedal_value.tolist() == [127, 0]


def test_voices_that_run_over_the_bar_line_and_back(tmp_path):
    """Some programs write voices by way of places before the bar; rests that overflow make no bar longer."""
    winding = attributes() + whole() + backup(960) + "<forward><duration>912</duration></forward>" + note("E4", 48)
    score = read(tmp_path, score_xml(winding + backup(96) + note("G4", 72) + note(None, 48), whole("D4")))
    assert rows(score) == [(60, 0, 4), (67, 0, 3), (64, 2, 2), (62, 4, 4)]


def test_kern():
    score = load(DATA / "minuet.krn")
    assert len(score.bars) == 6
    assert rows(score)[:15] == [
        (55, 0, 3), (74, 0, 1), (67, 1, 0.5), (69, 1.5, 0.5), (71, 2, 0.5), (72, 2.5, 0.5),
        (59, 3, 2), (74, 3, 1), (67, 4, 1), (55, 5, 1), (67, 5, 2),
        (60, 6, 3), (71, 6.875, 0.125), (76, 7, 1), (72, 8, 1),
    ]  # fmt: skip
    assert score.hand.tolist()[:3] == [2, 1, 1]
    assert (score.time_signatures, score.key_signatures) == (
        (TimeSignature(0, 3, 4),),
        (KeySignature(0, 1, False),),
    )
    assert len(load(DATA / "minuet.krn", Reading(repeats=False))) == 15


def test_mei():
    score = load(DATA / "minuet.mei")
    assert [bar.number for bar in score.bars] == [1, 2, 1, 2]
    trill = [(pitch, 2 + stroke / 8, 0.125) for stroke, pitch in enumerate((71, 72, 71, 72, 71, 72, 71))]
    assert rows(score)[:15] == [
        (55, 0, 3), (74, 0, 1), (67, 1, 0.5), (69, 1.5, 0.5), trill[0], (74, 2, 1), *trill[1:],
        (76, 2.875, 0.125), (59, 3, 2), (74, 3, 3),
    ]  # fmt: skip
    by_id = dict(zip(score.note_id, range(len(score)), strict=True))
    marks = {name: Mark(int(score.marks[by_id[name]])) for name in ("a1", "a2", "a3", "a4", "b3")}
    assert marks["a1"] == Mark.STACCATO
    assert marks["a2"] == Mark.SLUR | Mark.SLUR_START
    assert marks["a3"] == Mark.SLUR | Mark.SLUR_STOP
    assert Mark.TRILL in marks["a4"]
    assert marks["b3"] == Mark.FERMATA
    assert score.tempos == (Tempo(0, 100),)
    assert score.notes.velocity[by_id["a1"]] == 33
    assert score.hand[by_id["b1"]] == 2


def test_midi_keeps_what_read_midi_gives(tmp_path):
    path = FOLDER / "petzold-minuet-bwvanh114.mid"
    score, notes = load(path), read_midi(path)
    assert_same(score.notes, notes)
    np.testing.assert_allclose(score.milliseconds(score.onset), score.notes.onset, atol=0.5)
    assert score.bars[1].start == 3
    assert (score.beat < 3).all()


def test_midi_facts(tmp_path):
    """Two tracks with the left hand first, a pick-up by its signature, a key, a change of tempo, pedal."""
    left = track((0, on(48)), (500, off(48)), (0, pedal(127)), (500, on(50)), (500, off(50)), (0, pedal(0)))
    right = track((0, on(72)), (500, off(72)), (500, on(74)), (500, off(74)))
    signs = track(
        (0, b"\xff\x58\x04\x01\x02\x18\x08"), (0, b"\xff\x59\x02\xfd\x01"), (500, b"\xff\x58\x04\x03\x02\x18\x08"),
        (500, tempo(1_000_000)),
    )  # fmt: skip
    score = read(tmp_path, midi(signs, left, right), "a.mid")
    assert rows(score) == [(48, 0, 1), (50, 2, 1), (72, 0, 1), (74, 2, 1)]
    assert score.hand.tolist() == [2, 2, 1, 1]
    assert score.voice.tolist() == [2, 2, 3, 3]
    assert score.time_signatures == (TimeSignature(0, 1, 4), TimeSignature(1, 3, 4))
    assert score.key_signatures == (KeySignature(0, -3, True),)
    assert score.tempos == (Tempo(0, 120), Tempo(2, 60))
    assert [(bar.start, bar.length, bar.number) for bar in score.bars] == [(0, 1, 1), (1, 3, 2)]
    assert score.beat.tolist() == [0, 1, 0, 1]
    assert (score.pedal.tolist(), score.notes.pedal_time.tolist()) == ([1, 3], [500, 2000])
    assert score.level.tolist() == [-1] * 4
