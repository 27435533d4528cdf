"""ABC, sign by sign, on made-up tunes."""

import pytest

from pianist_jax.score.load import KeySignature, Mark, ScoreError, TimeSignature
from pianist_jax.score.ornaments import PLAIN, OrnamentStyle
from tests.score.xml_text import read, rows

WRITTEN = OrnamentStyle(played=False)


def abc(tmp_path, body, head="M:4/4\nL:1/4\nK:C", repeats=True, style=PLAIN):
    return read(tmp_path, f"X:1\nT:A tune\n{head}\n{body}\n", "a.abc", repeats=repeats, style=style)


def pitches(score):
    return score.notes.pitch.tolist()


def starts(score):
    return [round(at, 4) for at in score.onset.tolist()]


def test_notes_have_octaves_lengths_and_the_place_of_their_letter(tmp_path):
    score = abc(tmp_path, "C, c/ c'3/2 z | [CEG]2 x [c2e]/ ^f/ |")
    assert rows(score) == [
        (48, 0, 1), (72, 1, 0.5), (84, 1.5, 1.5), (60, 4, 2), (64, 4, 2), (67, 4, 2), (72, 7, 1), (76, 7, 1),
        (78, 8, 0.5),
    ]  # fmt: skip
    assert score.note_id[:2] == ("L6C1", "L6C4")


@pytest.mark.parametrize(
    ("metre", "lengths"), [("3/4", [0.5]), ("2/4", [0.25]), ("C|", [0.5]), ("C", [0.5]), ("none", [0.5])]
)
def test_without_a_unit_the_metre_says_it(tmp_path, metre, lengths):
    assert abc(tmp_path, "c|", f"M:{metre}\nK:C").duration.tolist() == lengths


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("D", [66, 72 + 1, 71]),
        ("Bb", [65, 72, 70]),
        ("Am", [65, 72, 71]),
        ("F#m", [66, 73, 71]),
        ("D dor", [65, 72, 71]),
        ("Amix", [66, 73, 71]),
        ("Ebmaj clef=treble", [65, 72, 70]),
        ("D exp _B ^f", [66, 72, 70]),
        ("none", [65, 72, 71]),
        ("", [65, 72, 71]),
        ("C treble-8", [53, 60, 59]),
    ],
)
def test_keys_and_clefs(tmp_path, key, expected):
    assert pitches(abc(tmp_path, "F c B|", f"M:3/4\nL:1/4\nK:{key}")) == expected


def test_accidentals_hold_for_their_bar_in_all_octaves_or_as_the_file_says(tmp_path):
    assert pitches(abc(tmp_path, "^F F f =f | F4-| F4")) == [66, 66, 78, 77, 65]
    head = "%%propagate-accidentals octave\nM:4/4\nL:1/4\nK:C"
    assert pitches(abc(tmp_path, "^F F f f | F4|", head)) == [66, 66, 77, 77, 65]
    tied = abc(tmp_path, "z2 ^F2-|F2 F2|")
    assert rows(tied) == [(66, 2, 4), (65, 6, 2)]


def test_tuplets_and_broken_rhythms(tmp_path):
    assert starts(abc(tmp_path, "(3cde f>g|a<<b c2|")) == [0, 0.6667, 1.3333, 2, 3.5, 4, 4.25, 6]
    assert starts(abc(tmp_path, "(3:2:2c2d e2|")) == [0, 1.3333, 2]
    compound = abc(tmp_path, "(2cd (4efga|", "M:6/8\nL:1/8\nK:C")
    assert starts(compound) == [0, 0.75, 1.5, 1.875, 2.25, 2.625]


@pytest.mark.parametrize(
    ("body", "order"),
    [
        ("|:C4|D4:|E4|]", "CDCDE"),
        ("C4|D4:|:E4:|F4|]", "CDCDEEF"),
        ("C4|D4::E4:|", "CDCDEE"),
        ("|:C4|[1 D4:|[2 E4||F4|]", "CDCEF"),
        ("|:C4|1 D4:|2 E4|]", "CDCE"),
        ("|:C4|[1,3 D4:|[2 E4:|[4 F4|]", "CDCECDCF"),
        ("C4|D4!fine!|E4!D.C.alfine!|]", "CDECD"),
        ("||:C4|\n|:D4:|", "CDD"),
    ],
)
def test_repeats_and_endings(tmp_path, body, order):
    played = [60, 62, 64, 65]
    assert pitches(abc(tmp_path, body)) == [played["CDEF".index(letter)] for letter in order]


def test_signs_at_notes(tmp_path):
    score = abc(tmp_path, '!p!.C (TD E) !fermata!F|"Am"!f!~G {/a}A {cd}e !nonsense!f|', style=WRITTEN)
    marks = {name: Mark(int(value)) for name, value in zip(score.note_id, score.marks, strict=True)}
    assert [key for key, value in marks.items() if value & Mark.STACCATO] == ["L6C5"]
    assert [key for key, value in marks.items() if value & Mark.TRILL] == ["L6C9"]
    assert [key for key, value in marks.items() if value & Mark.TURN] == ["L6C33"]
    assert [key for key, value in marks.items() if value & Mark.SLUR] == ["L6C9", "L6C11"]
    assert [key for key, value in marks.items() if value & Mark.FERMATA] == ["L6C23"]
    assert [round(at, 3) for at in score.onset[score.grace].tolist()] == [4.875, 5.75, 5.875]
    assert score.notes.velocity[0] < score.notes.velocity[4]
    assert set(score.left_out) == {"1 chord symbols", "1 decorations"}


def test_metre_key_unit_and_tempo_change_on_the_way(tmp_path):
    score = abc(tmp_path, "C4|[M:3/4][K:G]F3|\nL:1/8\nQ:1/4=60\nF6|", 'M:4/4\nL:1/4\nQ:"Lively" 3/8=80\nK:C')
    assert rows(score) == [(60, 0, 4), (66, 4, 3), (66, 7, 3)]
    assert score.time_signatures == (TimeSignature(0, 4, 4), TimeSignature(4, 3, 4))
    assert score.key_signatures == (KeySignature(0, 0, False), KeySignature(4, 1, False))
    assert [(tempo.start, tempo.quarters_per_minute) for tempo in score.tempos] == [(0, 120), (7, 60)]


def test_voices_that_are_braced_are_two_hands_and_overlays_sound_together(tmp_path):
    head = '%%score {R | L}\nM:4/4\nL:1/4\nV:R clef=treble\nV:L clef=bass name="Left"\nK:C'
    score = abc(tmp_path, "V:R\nC D E F|G4|\nV:L\nC,4|Z|\n[V:R] A4|[V:L] A,4|", head)
    assert rows(score) == [
        (48, 0, 4), (60, 0, 1), (62, 1, 1), (64, 2, 1), (65, 3, 1), (67, 4, 4), (57, 8, 4), (69, 8, 4)
    ]  # fmt: skip
    assert score.hand.tolist() == [2, 1, 1, 1, 1, 1, 2, 1]
    assert rows(abc(tmp_path, "c4 & E2 G2|c4|")) == [(64, 0, 2), (72, 0, 4), (67, 2, 2), (72, 4, 4)]


def test_of_several_tunes_the_first_is_read_and_that_is_said(tmp_path):
    score = abc(tmp_path, "C4|\nw:la\n%remark\nD4|\n\nX:2\nK:C\nE4|")
    assert pitches(score) == [60, 62]
    assert score.readings == ("the first of 2 tunes",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("X:1\nK:C\n", "no tune"),
        ("X:1\nK:C\nz4|", "no notes"),
        ("hello", "no tune"),
        ("X:1\nK:C\n" + "c" * 200_001, "more than 200000"),
    ],
)
def test_what_is_no_tune_is_refused(tmp_path, text, says):
    with pytest.raises(ScoreError, match=says):
        read(tmp_path, text, "a.abc")
