"""Humdrum **kern, sign by sign, on made-up files."""

import pytest

from pianist_jax.errors import PianistError
from pianist_jax.score.load import KeySignature, Mark, ScoreError, Tempo, TimeSignature
from pianist_jax.score.load import load as load_file
from pianist_jax.score.ornaments import PLAIN, OrnamentStyle
from pianist_jax.score.reading import Reading
from tests.score.xml_text import read, rows

HEAD = "*clefF4\t*clefG2\n*k[f#]\t*k[f#]\n*e:\t*e:\n*M4/4\t*M4/4\n"


def kern(*lines, spines=1, head=""):
    return "\n".join(
        ["\t".join(["**kern"] * spines), *([head] if head else []), *lines, "\t".join(["*-"] * spines), ""]
    )


def load(tmp_path, text, repeats=True, style=PLAIN):
    return read(tmp_path, text, "a.krn", repeats=repeats, style=style)


def marks(score):
    return [Mark(int(value)) for value in score.marks]


def test_pitches_lengths_and_names(tmp_path):
    score = load(tmp_path, kern("*M4/4", "=1", "4c", "4.dd#", "8B-", "4CC", "=2", "0GG", "3%2f", "==", spines=1))
    assert rows(score) == [
        (60, 0, 1), (75, 1, 1.5), (58, 2.5, 0.5), (36, 3, 1), (43, 4, 8), (65, 12, pytest.approx(8 / 3, abs=1e-6)),
    ]  # fmt: skip
    assert score.note_id == ("L4F1", "L5F1", "L6F1", "L7F1", "L9F1", "L10F1")


def test_a_chord_may_say_its_length_once(tmp_path):
    score = load(tmp_path, kern("=1\t=1", "2C CC\t2c", "4C CC\t2d", "4G GG\t.", "==\t==", spines=2))
    assert rows(score) == [
        (36, 0, 2),
        (48, 0, 2),
        (60, 0, 2),
        (36, 2, 1),
        (48, 2, 1),
        (62, 2, 2),
        (43, 3, 1),
        (55, 3, 1),
    ]
    assert score.note_id[:3] == ("L3F1S2", "L3F1S1", "L3F2")
    assert score.hand.tolist()[:3] == [2, 2, 1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_files_as_they_are_encoded(tmp_path, encoding):
    plain = kern("=1", "1c", head="!!!OTL: Prélude")
    for text in (plain, plain.replace("\n", " \f\n"), "!!!OTL: Prélude\n" + kern("=1", "1c")):
        path = tmp_path / "a.krn"
        path.write_bytes(text.encode(encoding))
        score = load_file(path)
        assert (score.title, rows(score)) == ("Prélude", [(60, 0, 4)])


def test_ties_of_chords_are_joined(tmp_path):
    score = load(tmp_path, kern("=1", "2c", "[2f [2a", "=2", "2f_ 2a]", "2f]", "==", head="*M4/4"))
    assert rows(score) == [(60, 0, 2), (65, 2, 6), (69, 2, 4)]


def test_ties_over_gaps_hold_the_note(tmp_path):
    score = load(tmp_path, kern("=1", "4c[[", "4e[", "2c]] 2e]", "==", head="*M4/4"))
    assert rows(score) == [(60, 0, 4), (64, 1, 3)]


@pytest.mark.parametrize(
    "lines",
    [("4c[[", "4e", "2c] 2f"), ("[4c", "4e", "2c]] 2f"), ("N[>4c", "4e", "2cN] 2f", "!!!RDF**kern: N = linked")],
)
def test_one_sign_is_enough_for_a_tie_over_a_gap(tmp_path, lines):
    assert rows(load(tmp_path, kern("=1", *lines))) == [(60, 0, 4), (64, 1, 1), (65, 2, 2)]


def test_a_tie_over_a_gap_is_not_ended_by_a_tie_of_another_voice(tmp_path):
    text = kern("*^", "4c[[\t4e", "4f\t[8c", ".\t8c]", "2c]]\t2g", "*v\t*v")
    assert rows(load(tmp_path, text)) == [(60, 0, 4), (64, 0, 1), (60, 1, 1), (65, 1, 1), (67, 2, 2)]


def test_letters_of_a_slip_of_the_pen_count_together(tmp_path):
    score = load(tmp_path, kern("8ddc", "8cacc#", "1e6e-X 16g", "16D"))
    assert rows(score) == [(86, 0, 0.5), (97, 0.5, 0.5), (67, 1, 0.25), (75, 1, 0.25), (50, 1.25, 0.25)]


def test_cues_of_other_players_are_silent_and_small_cadenzas_sound(tmp_path):
    lines = ["*cue\t*", "!LO:TX:b:t=Clar.\t!", "4c\t4e", "*cue\t*cue", "4d\t4f", "*Xcue\t*", "!LO:TX:a:t=cadenza\t!"]
    score = load(tmp_path, kern(*lines, "4c\t4g", "*\t*Xcue", "4c\t4g", spines=2))
    assert score.notes.pitch.tolist() == [64, 65, 60, 67, 60, 67]
    assert score.left_out == ("2 cue notes",)
    assert [bool(mark & Mark.SMALL) for mark in marks(score)] == [False, True, False, True, False, False]


def test_spines_split_join_change_places_and_end(tmp_path):
    lines = [
        "=1\t=1",
        "*\t*^",
        "1C\t2c\t4e",
        ".\t.\t4f",
        ".\t2d\t2g",
        "*\t*v\t*v",
        "=2\t=2",
        "*x\t*x",
        "1e\t1D",
        "==\t==",
    ]
    score = load(tmp_path, kern(*lines, spines=2, head="*M4/4\t*M4/4"))
    assert rows(score) == [
        (48, 0, 4),
        (60, 0, 2),
        (64, 0, 1),
        (65, 1, 1),
        (62, 2, 2),
        (67, 2, 2),
        (50, 4, 4),
        (64, 4, 4),
    ]
    assert score.hand.tolist() == [2, 1, 1, 1, 1, 1, 2, 1]
    assert sorted(set(score.voice.tolist())) == [101, 102, 201]


def test_signatures_and_tempo(tmp_path):
    text = kern(
        "*MM90\t*", "=1\t=1", "1C\t1c", "=2\t=2", "*M3/8\t*M3/8", "4.D\t4.d", "==\t==", spines=2, head=HEAD.strip()
    )
    score = load(tmp_path, text)
    assert score.key_signatures == (KeySignature(0, 1, True),)
    assert score.time_signatures == (TimeSignature(0, 4, 4), TimeSignature(4, 3, 8))
    assert score.tempos == (Tempo(0, 90),)
    assert [(bar.start, bar.number) for bar in score.bars] == [(0, 1), (4, 2)]


def test_grace_notes_and_signs(tmp_path):
    score = load(
        tmp_path,
        kern("=1", "4c'", "8qd", "8qe", "(4f^", "4g;T)", "4ry", "==", head="*M4/4"),
        style=OrnamentStyle(played=False),
    )
    assert rows(score) == [(60, 0, 1), (62, 0.75, 0.125), (64, 0.875, 0.125), (65, 1, 1), (67, 2, 1)]
    slur = Mark.SLUR
    assert marks(score)[0] == Mark.STACCATO
    assert marks(score)[3:] == [slur | Mark.SLUR_START | Mark.ACCENT, slur | Mark.SLUR_STOP | Mark.FERMATA | Mark.TRILL]
    assert load(tmp_path, kern("=1", "2c@8@", "2d", "==")).onset.tolist() == [0, 0.5, 1, 1.5, 2]


def test_dynamics_and_pedal(tmp_path):
    lines = [
        "**kern\t**dynam",
        "*M4/4\t*",
        "=1\t=1",
        "*ped\t*",
        "4c\tp",
        "4d\t<",
        "*Xped\t*",
        "4e\t.",
        "4f\t[ f",
        "==\t==",
        "*-\t*-",
        "",
    ]
    score = load(tmp_path, "\n".join(lines))
    assert score.notes.velocity.tolist() == [49, 49, 72, 96]
    assert score.hairpin.tolist() == [0, 1, 1, 0]
    assert (score.pedal.tolist(), score.notes.pedal_value.tolist()) == ([0, 2], [127, 0])


FORM = ["=1", "1c", "=2", "1d", "=3", "1e", "=4", "1f", "=="]


def letters(score):
    return "".join({60: "c", 62: "d", 64: "e", 65: "f"}[pitch] for pitch in score.notes.pitch.tolist())


def test_repeat_signs(tmp_path):
    for sign in ("=3:|!", "=3:!!", "=3:|!|:"):
        text = kern(*[sign if line == "=3" else line for line in FORM], head="*M4/4")
        assert letters(load(tmp_path, text)) == "cdcdef"
        assert letters(load(tmp_path, text, repeats=False)) == "cdef"
    later = kern("=1", "1c", "=2!|:", "1d", "=3", "1e", "=4:|!", "1f", "==", head="*M4/4")
    assert letters(load(tmp_path, later)) == "cdedef"


def test_a_repeat_in_mid_bar_makes_two_bars(tmp_path):
    score = load(tmp_path, kern("4c", "=1", "2.d", "=:|!", "4e", "=2", "2.f", "==", head="*M4/4"))
    assert letters(score) == "cdcdef"
    assert [(bar.length, bar.number) for bar in score.bars] == [(1, 0), (3, 1), (1, 0), (3, 1), (1, 1), (3, 2)]
    plain = load(tmp_path, kern("=1", "2c", "=||", "2d", "=2", "1e", "==", head="*M4/4"))
    assert [bar.length for bar in plain.bars] == [4, 4]


def test_the_order_of_sections(tmp_path):
    lines = [
        "*>[A,A1,A,A2,B]",
        "*>norep[A,A2,B]",
        "*M4/4",
        "*>A",
        "=1",
        "1c",
        "*>A1",
        "=2",
        "1d",
        "=3:|!",
        "*>A2",
        "1e",
    ]
    text = kern(*lines, "*>B", "=4", "1f", "==")
    assert letters(load(tmp_path, text)) == "cdcef"
    assert letters(load(tmp_path, text, repeats=False)) == "cef"
    assert letters(load(tmp_path, text.replace("A2,B", "A2,Z"))) == "cdcdef"  # no such section: the signs count


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (kern("*M4/0", "4c"), r"line 2: '0' stands where a number"),
        (kern("4c\t4d"), r"line 2 has 2 fields for 1 spines"),
        (kern("*^" + "\t*^" * 0, "4c\t4d", *["\t".join(["*^"] * 2**k) for k in range(1, 9)], "4c"), "spines"),
        (kern("1r", "==", head="*M4/4"), "no notes"),
        ("**text\nla\n*-\n", "no \\*\\*kern spine"),
        (kern(*[f"{9973 - 2 * k}c" for k in range(9)]), "note values that no score has"),
    ],
)
def test_damaged_files(tmp_path, text, says):
    with pytest.raises(ScoreError, match=says) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)


def player_pitches(tmp_path, head, part=None):
    """The pitches played of spines with the pitches C3, C4, C5 … from the lowest staff on."""
    spines = head.split("\n", 1)[0].count("\t") + 1
    text = kern("=1" + "\t=1" * (spines - 1), "\t".join(["1C", "1c", "1cc", "1ccc"][:spines]), spines=spines, head=head)
    path = tmp_path / "parts.krn"
    path.write_text(text)
    score = load_file(path, Reading(part=part))
    return score.notes.pitch.tolist(), score.hand.tolist()


@pytest.mark.parametrize(
    ("head", "played"),
    [
        ('*Ipiano\t*Ipiano\t*Isoprn\n*I"Piano\t*I"Piano\t*I"Soprano', [48, 60]),
        ("*Ipiano\t*Ipiano\t*Ivox", [48, 60]),
        ('*part2\t*part2\t*part1\n*I"Klavier\t*\t*I"Stimme', [48, 60]),
        ("*Icello\t*Iviola\t*Ivioln\t*Ivioln", [48, 60, 72, 84]),
        ("*Icello\t*Icemba\t*Icemba\t*Iflt", [60, 72]),
        ("*staff3\t*staff2\t*staff1", [48, 60, 72]),
        ("*ICklav\t*ICklav\t*ICvox", [48, 60]),
        ("*I'Pno.\t*I'Pno.\t*I'Vl.", [48, 60]),
        ("*clefX\t*clefF4\t*clefG2", [60, 72]),
    ],
)
def test_the_pianist_among_several_players(tmp_path, head, played):
    assert player_pitches(tmp_path, head)[0] == played


def test_a_part_of_a_kern_file_can_be_chosen(tmp_path):
    head = "*Ipiano\t*Ipiano\t*Ivox"
    assert player_pitches(tmp_path, head, "voice") == ([72], [1])
    assert player_pitches(tmp_path, head)[1] == [2, 1]
    with pytest.raises(PianistError, match="no part 'oboe'; its parts are: 1 voice, 2 piano"):
        player_pitches(tmp_path, head, "oboe")


def test_words_of_the_layout_say_form_and_tempo(tmp_path):
    lines = ["*MM[Adagio]", "=1", "1c", "!LO:TX:b:t=Fine", "=2", "1d", "=3", "1e", "!!LO:TX:a:t=D.C. al Fine", "=="]
    score = load(tmp_path, kern(*lines, head="*M4/4"))
    assert score.notes.pitch.tolist() == [60, 62, 64, 60]
    assert '"Adagio"' in score.readings[0]


@pytest.mark.parametrize(("head", "quarters"), [("*MM60-80", 70), ("*MM[[half-dot] = 40]", 120)])
def test_tempi_as_a_range_and_by_the_names_of_note_values(tmp_path, head, quarters):
    assert load(tmp_path, kern("=1", "1c", head=head)).tempos[0].quarters_per_minute == quarters
