"""What is played for ornaments, grace notes and broken chords, and how it is named."""

import numpy as np
import pytest

from pianist_jax.score.load import Mark
from pianist_jax.score.ornaments import OrnamentStyle
from tests.score.mei_text import bar, mei, n
from tests.score.xml_text import attributes, backup, note, read, rows, score_xml

# 120 quarters a minute: a stroke is an eighth of a quarter.


def written_id(note_id):
    """The id, on the page, of the note that a note of an ornament was played for: "n7" of "n7~3" and of "n7~3-2"."""
    return note_id.partition("~")[0]


def sign(text, placement=""):
    return f"<ornaments><{text}/></ornaments>"


def played(tmp_path, content, style=None, fifths=0, head=""):
    """(pitch, onset, duration) of one bar."""
    text = score_xml(attributes(fifths=fifths) + content)
    text = text.replace("<part-list>", f"{head}<part-list>", 1)
    return read(tmp_path, text, **({"style": style} if style else {}))


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("inverted-mordent", [72, 74, 72]),
        ("mordent", [72, 71, 72]),
        ('mordent long="yes"', [72, 71, 72, 71, 72]),
        ("shake", [72, 74, 72, 74, 72]),
        ("turn", [74, 72, 71, 72]),
        ("inverted-turn", [71, 72, 74, 72]),
        ("schleifer", [69, 71, 72]),
    ],
)
def test_short_signs_begin_on_the_beat_and_hold_their_last_note(tmp_path, name, steps):
    score = played(tmp_path, note("C5", 24, notations=sign(name)) + note("G4", 72))
    assert score.notes.pitch.tolist() == [*steps, 67]
    last = 1 - 0.125 * (len(steps) - 1)
    np.testing.assert_allclose(score.duration, [0.125] * (len(steps) - 1) + [last, 3])
    assert score.note_id == ("n1", *(f"n1~{k}" for k in range(2, len(steps) + 1)), "n2")
    assert [written_id(name) for name in score.note_id] == ["n1"] * len(steps) + ["n2"]
    assert all(score.marks[:-1] & Mark.ORNAMENT)
    assert score.marks[-1] == 0


def test_delayed_turns_come_at_the_end_of_the_note(tmp_path):
    score = played(tmp_path, note("C5", 48, notations=sign("delayed-turn")) + note("G4", 48))
    assert rows(score)[:5] == [
        (72, 0, 1.5),
        (74, 1.5, 0.125),
        (72, 1.625, 0.125),
        (71, 1.75, 0.125),
        (72, 1.875, 0.125),
    ]
    score = played(tmp_path, note("C5", 12, notations=sign("delayed-inverted-turn")) + note("G4", 84))
    assert rows(score)[:5] == [
        (72, 0, 0.25),
        (71, 0.25, 0.0625),
        (72, 0.3125, 0.0625),
        (74, 0.375, 0.0625),
        (72, 0.4375, 0.0625),
    ]


def test_trills_last_as_long_as_the_note_and_end_on_it(tmp_path):
    score = played(tmp_path, note("C5", 24, notations=sign("trill-mark")) + note("G4", 72))
    assert score.notes.pitch.tolist() == [72, 74, 72, 74, 72, 74, 72, 67]
    assert score.onset[6] == 0.75
    assert score.duration[6] == 0.25
    above = played(
        tmp_path, note("C5", 24, notations=sign("trill-mark")) + note("G4", 72), OrnamentStyle(upper_trills=True)
    )
    assert above.notes.pitch.tolist() == [74, 72, 74, 72, 74, 72, 74, 72, 67]
    slow = played(tmp_path, '<sound tempo="60"/>' + note("C5", 24, notations=sign("trill-mark")) + note("G4", 72))
    assert len(slow) == 16


def test_trills_of_old_composers_begin_from_above(tmp_path):
    content = note("C5", 24, notations=sign("trill-mark")) + note("G4", 72)
    told = '<identification><creator type="composer">{}</creator></identification>'
    firsts = [
        played(tmp_path, content, head=told.format(name)).notes.pitch[0]
        for name in ("J. S. Bach", "Domenico Scarlatti", "Frédéric Chopin", "Offenbach")
    ]
    assert firsts == [74, 74, 72, 72]


def test_neighbours_have_the_accidentals_of_sign_bar_and_key(tmp_path):
    def upper(content, fifths=0):
        score = played(tmp_path, content, fifths=fifths)
        return score.notes.pitch[list(score.note_id).index(f"{score.note_id[-1]}".partition("~")[0] + "~2")]

    def trill(pitch, more="", length=24):
        return note(pitch, length, notations=f"<ornaments><trill-mark/>{more}</ornaments>")

    assert upper(trill("E5")) == 77
    assert upper(trill("E5"), fifths=1) == 78
    assert upper(trill("A4"), fifths=-1) == 70
    assert upper(note("F#5", 24) + trill("E5")) == 78
    assert upper(note("F#4", 24) + trill("E5")) == 77
    assert upper(trill("E5", "<accidental-mark>sharp</accidental-mark>")) == 78
    assert upper(trill("F#5", "<accidental-mark>natural</accidental-mark>")) == 79
    score = played(
        tmp_path,
        note(
            "G4",
            96,
            notations='<ornaments><turn/><accidental-mark placement="below">sharp</accidental-mark></ornaments>',
        ),
    )
    assert score.notes.pitch.tolist() == [69, 67, 66, 67]


def test_a_wavy_line_trills_all_notes_under_it(tmp_path):
    line = '<ornaments><wavy-line type="{}" number="1"/></ornaments>'
    content = (
        note("C5", 24, notations=line.format("start")) + note("D5", 24) + note("E5", 24, notations=line.format("stop"))
    )
    score = played(tmp_path, content + note("F5", 24))
    assert {written_id(name) for name in score.note_id if "~" in name} == {"n1", "n2", "n3"}


def wavy(kind):
    return f'<ornaments><wavy-line type="{kind}" number="1"/></ornaments>'


def trilled(score):
    return {written_id(name) for name in score.note_id if "~" in name}


def test_a_line_that_ends_at_another_voice_trills_its_own_up_to_there(tmp_path):
    upper = note("C5", 24, notations=wavy("start")) + note("E5", 24) + note("D5", 24) + note("E5", 24)
    lower = note(None, 24, voice=2) + note("A4", 24, voice=2, notations=wavy("stop")) + note("G4", 48, voice=2)
    assert trilled(played(tmp_path, upper + backup(96) + lower)) == {"n1", "n2"}


@pytest.mark.parametrize("after", ["", wavy("start")])
def test_a_line_without_an_end_is_its_first_note_s_alone(tmp_path, after):
    content = note("C5", 24, notations=wavy("start")) + note("D5", 24) + note("E5", 24, notations=after)
    score = played(tmp_path, content + note("D5", 24, notations=wavy("stop") if after else ""))
    assert trilled(score) == ({"n1", "n3", "n4"} if after else {"n1"})


def test_a_trill_that_the_page_spells_out_is_played_as_written(tmp_path):
    """Below its own line, or in another voice while the note with the sign is held."""
    pitches = ["C5", "D5", "C5", "D5", "C5", "D5", "C5", "B4"]
    ends = {0: wavy("start"), 7: wavy("stop")}
    own = "".join(note(pitch, 3, notations=ends.get(index, "")) for index, pitch in enumerate(pitches))
    score = played(tmp_path, own + note("C5", 72))
    assert score.notes.pitch.tolist() == [72, 74, 72, 74, 72, 74, 72, 71, 72]
    held = note("C5", 24, notations=sign("trill-mark")) + note("C5", 72, notations=sign("trill-mark"))
    other = "".join(note(pitch, 3, voice=2) for pitch in pitches)
    assert trilled(played(tmp_path, held + backup(96) + other)) == {"n2"}


def test_a_trill_is_for_the_highest_note_of_its_chord_and_ends_where_small_notes_begin(tmp_path):
    chord = note("E4", 48, notations=sign("trill-mark")) + note("C5", 48, chord=True)
    ending = note("B4", 0, grace=True) + note("C5", 0, grace=True)
    score = played(tmp_path, chord + ending + note("D5", 48))
    upper = [(pitch, at, length) for pitch, at, length in rows(score) if pitch > 64]
    assert rows(score)[0] == (64, 0, 2)
    assert upper[:3] == [(72, 0, 0.125), (74, 0.125, 0.125), (72, 0.25, 0.125)]
    assert upper[-4:] == [(72, 1.5, 0.25), (71, 1.75, 0.125), (72, 1.875, 0.125), (74, 2, 2)]


@pytest.mark.parametrize(("kind", "strokes"), [("single", 1), ("single", 2), ("single", 3)])
def test_measured_tremolos_have_the_strokes_that_they_say(tmp_path, kind, strokes):
    content = note("C4", 24, notations=f'<ornaments><tremolo type="{kind}">{strokes}</tremolo></ornaments>')
    score = played(tmp_path, content + note("G4", 72))
    assert rows(score)[:-1] == [(60, k / 2**strokes, 1 / 2**strokes) for k in range(2**strokes)]


def test_tremolos_of_two_chords_alternate_and_fast_ones_stay_playable(tmp_path):
    trem = '<ornaments><tremolo type="{}">{}</tremolo></ornaments>'
    first = note("C4", 24, notations=trem.format("start", 2)) + note(
        "E4", 24, chord=True, notations=trem.format("start", 2)
    )
    score = played(tmp_path, first + note("G4", 24, notations=trem.format("stop", 2)) + note("G4", 48))
    both = [[row for row in rows(score) if row[1] == k / 4] for k in range(8)]
    assert both == [[(60, k / 4, 0.25), (64, k / 4, 0.25)] if k % 2 == 0 else [(67, k / 4, 0.25)] for k in range(8)]
    fast = played(tmp_path, '<sound tempo="240"/>' + note("C4", 96, notations=trem.format("single", 4)))
    assert np.diff(fast.notes.onset).min() >= 55
    free = note("C4", 24, notations='<ornaments><tremolo type="unmeasured">0</tremolo></ornaments>')
    assert len(played(tmp_path, free + note("G4", 72))) == 9


def test_glissandi_run_over_white_keys_or_black_ones(tmp_path):
    gliss = '<glissando type="{}" number="1"/>'

    def run(first, last):
        content = note(first, 48, notations=gliss.format("start")) + note(last, 48, notations=gliss.format("stop"))
        return played(tmp_path, content)

    assert run("C4", "C5").notes.pitch.tolist() == [60, 62, 64, 65, 67, 69, 71, 72]
    assert run("C5", "F4").notes.pitch.tolist() == [72, 71, 69, 67, 65]
    score = run("F#4", "F#5")
    assert score.notes.pitch.tolist() == [66, 68, 70, 73, 75, 78]
    np.testing.assert_allclose(score.onset, [0, 1.6, 1.7, 1.8, 1.9, 2])


def test_chords_are_broken_up_or_down_and_across_staves(tmp_path):
    def chord(more="", attributes=""):
        right = note("C5", 96, notations=f"<arpeggiate{attributes}/>") + note(
            "E5", 96, chord=True, notations=f"<arpeggiate{attributes}/>"
        )
        left = note("C3", 96, staff=2, voice=5, notations=f"<arpeggiate{attributes}/>")
        left += note("G3", 96, staff=2, voice=5, chord=True, notations=f"<arpeggiate{attributes}/>")
        return right + backup(96) + left

    def starts(score):
        return dict(zip(score.notes.pitch.tolist(), score.onset.tolist(), strict=True))

    score = played(tmp_path, chord())
    assert starts(score) == {48: 0, 55: 0.125, 72: 0, 76: 0.125}
    np.testing.assert_allclose(score.onset + score.duration, 4)
    assert starts(played(tmp_path, chord(attributes=' direction="down"'))) == {48: 0.125, 55: 0, 72: 0.125, 76: 0}
    assert starts(played(tmp_path, chord(attributes=' number="1"'))) == {48: 0, 55: 0.125, 72: 0.25, 76: 0.375}
    late = played(tmp_path, chord(attributes=' number="1"'), OrnamentStyle(last_on_beat=True))
    assert starts(late) == {48: -0.375, 55: -0.25, 72: -0.125, 76: 0}


@pytest.mark.parametrize(
    ("grace", "value", "main", "starts"),
    [
        ("<grace/>", "eighth", 48, (2, 2.5)),
        ("<grace/>", "quarter", 24, (2, 2.5)),  # a half of the main note at most
        ("<grace/>", "half", 72 // 2, (2, 2.75)),
        ("<grace/>", "quarter", 36, (2, 3)),  # two thirds of a dotted one
        ('<grace slash="yes"/>', "eighth", 48, (1.875, 2)),
        ('<grace steal-time-previous="50"/>', "eighth", 48, (1, 2)),
        ('<grace steal-time-following="25"/>', "eighth", 48, (2, 2.5)),
        ('<grace make-time="10"/>', "eighth", 48, (2, 2.5)),
    ],
)
def test_grace_notes_by_their_kind(tmp_path, grace, value, main, starts):
    small = note("D5", 0, grace=True).replace("<grace/>", grace).replace("eighth", value)
    score = played(tmp_path, note("G4", 48) + small + note("C5", main))
    assert tuple(score.onset[1:]) == starts
    assert score.grace.tolist() == [False, True, False]
    assert score.onset[-1] + score.duration[-1] == 2 + main / 24


def test_ornaments_may_stay_as_they_are_written(tmp_path):
    content = note("C5", 24, notations=sign("trill-mark")) + note("D5", 0, grace=True) + note("G4", 72)
    score = played(tmp_path, content, OrnamentStyle(played=False))
    assert rows(score) == [(72, 0, 1), (74, 0.875, 0.125), (67, 1, 3)]
    assert score.marks[0] == Mark.TRILL


def test_repeats_number_ornaments_too(tmp_path):
    repeat = '<barline location="right"><repeat direction="backward"/></barline>'
    score = read(tmp_path, score_xml(attributes() + note("C5", 96, notations=sign("mordent")) + repeat))
    assert score.note_id == ("n1", "n1~2", "n1~3", "n1-2", "n1~2-2", "n1~3-2")
    assert {written_id(name) for name in score.note_id[:3]} == {"n1"}


KERN = "**kern\n*M4/4\n*k[f#]\n=1\n{}\n2g\n==\n*-\n"


@pytest.mark.parametrize(
    ("token", "pitches"),
    [
        ("2eeT", [76, 78] * 7 + [76]),
        ("2eet", [76, 77] * 7 + [76]),
        ("2eem", [76, 75, 76]),
        ("2eeW", [76, 78, 76]),
        ("2eesS", [78, 76, 74, 76]),
        ("2ee$", [76, 74, 76, 78, 76]),
        ("2eeSss", [76, 77, 76, 75, 76]),
        ("2eesSsS", [77, 76, 74, 76]),
        ("2ff#SSs", [78, 80, 78, 77, 78]),
        ("2ccSSs", [72, 74, 72, 71, 72]),
        ("2c: 2e: 2g:", [60, 64, 67]),
        ("8qdd\n2cc", [74, 72]),
    ],
)
def test_kern_says_the_neighbours_itself(tmp_path, token, pitches):
    score = read(tmp_path, KERN.format(token), "score.krn")
    assert score.notes.pitch.tolist() == [*pitches, 67]


@pytest.mark.parametrize(
    ("sign", "pitches"),
    [
        ('<trill startid="#a" accidupper="s"/>', [76, 78] * 7 + [76]),
        ('<mordent startid="#a"/>', [76, 74, 76]),
        ('<mordent startid="#a" form="upper"/>', [76, 77, 76]),
        ('<turn tstamp="1" staff="1" form="lower"/>', [74, 76, 77, 76]),
        ('<turn startid="#a" delayed="true" accidlower="s"/>', [76, 77, 76, 75, 76]),
        ('<gliss startid="#a" endid="#b"/>', [76, 74, 72, 71, 69]),
    ],
)
def test_mei_signs_are_played(tmp_path, sign, pitches):
    text = mei(bar(n("e5", "2", "a") + n("g4", "2", "b"), events=sign))
    score = read(tmp_path, text, "score.mei")
    assert score.notes.pitch.tolist() == [*pitches, 67]
    assert {written_id(name) for name in score.note_id} == {"a", "b"}


def test_mei_chords_graces_and_tremolos(tmp_path):
    both = bar(n("e5", "1", "a"), low=n("c3", "1", "b"), events='<arpeg plist="#a #b"/>')
    assert read(tmp_path, mei(both), "score.mei").onset.tolist() == [0, 0.125]
    for grace, starts in (("acc", [0, 2, 2.5]), ("unacc", [0, 1.875, 2])):
        score = read(tmp_path, mei(bar(n("c5", "2") + n("d5", "8", grace=grace) + n("c5", "2"))), "score.mei")
        assert score.onset.tolist() == starts
    free = bar(f'<fTrem form="unmeas" beams="3">{n("c4", "1", "a")}{n("e4", "1", "b")}</fTrem>')
    score = read(tmp_path, mei(free), "score.mei")
    assert score.notes.pitch.tolist() == [60, 64] * 16
