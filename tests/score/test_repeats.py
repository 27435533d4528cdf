"""The order in which bars are played."""

import pytest

from pianist_jax.score.load import ScoreError
from pianist_jax.score.repeats import MAX_BARS, Jumps, played_form
from tests.score.xml_text import attributes, barline, note, read, rows, score_xml


def bars(text: str) -> list[Jumps]:
    """One word a bar: `|:` and `:|` (`:3|` thrice) for repeats, `1` `2` or `1,2` under a volta, letters for signs:
    s segno, c coda, F fine, T to coda, D da capo, S dal segno, `.` nothing."""
    found = []
    for word in text.split():
        bar = Jumps()
        bar.repeat_start = word.startswith("|:")
        rest = word.removeprefix("|:")
        if rest.endswith("|"):
            rest, _, times = rest[:-1].rpartition(":")
            bar.repeat_end = int(times or 2)
        for letter, name in zip("scFTDS", ("segno", "coda", "fine", "to_coda", "da_capo", "dal_segno"), strict=True):
            setattr(bar, name, letter in rest)
        bar.endings = frozenset(int(digit) for digit in rest if digit.isdigit())
        found.append(bar)
    return found


@pytest.mark.parametrize(
    ("signs", "order"),
    [
        (". . .", "0 1 2"),
        (". :| .", "0 1 0 1 2"),
        (". |:. :| .", "0 1 2 1 2 3"),
        (". :| . :|", "0 1 0 1 2 3 2 3"),
        ("|:. :3| .", "0 1 0 1 0 1 2"),
        ("|:. 1:| 2 .", "0 1 0 2 3"),
        ("|:. 1 1:| 2 2 .", "0 1 2 0 3 4 5"),
        ("|:. 1,2:| 3 .", "0 1 0 1 0 2 3"),
        ("|:. 1:| 2:| 3 .", "0 1 0 2 0 3 4"),
        ("|:. 1:| 2:| .", "0 1 0 2 3"),
        (". 1:| 2 |:. 1:| 2", "0 1 0 2 3 4 3 5"),
        ("|:. 1:| 2 1:| 2", "0 1 0 2 3 4"),
        (". 2 .", "0 1 2"),
        (". 1 .", "0 1 2"),
        ("|:. |:. :| .", "0 1 2 1 2 3"),
        ("F . D .", "0 1 2 0"),
        ("|:. F:| |:. D:|", "0 1 0 1 2 3 2 3 0 1"),
        ("|:. 1:| 2 F D", "0 1 0 2 3 4 0 2 3"),
        ("s. . S .", "0 1 2 0 1 2 3"),
        (". s. F S .", "0 1 2 3 1 2"),
        (". T . D c .", "0 1 2 3 0 1 4 5"),
        (". sT . S c .", "0 1 2 3 1 4 5"),
        # Endings that begin a repeat, and repeats inside endings.
        (". 1:| |:2 :| .", "0 1 0 2 3 2 3 4"),
        (". 1:| |:2:| .", "0 1 0 2 2 3"),
        (". 1:| |:2 . 1:| 2 .", "0 1 0 2 3 4 2 3 5 6"),
        ("|:. |:1 1:| 1:| 2 .", "0 1 2 1 2 3 0 4 5"),
        ("|:. 1 |:1:| 2 .", "0 1 2 2 0 3 4"),
        ("|:. |:1:| |:2:| . :|", "0 1 1 0 2 2 3 4 3 4"),
        (". 1:| |:2 :| . :|", "0 1 0 2 3 2 3 4 5 4 5"),
        ("|:. 1 2:| 3 .", "0 1 0 2 0 3 4"),
        ("|:. 1 |:1:| 1:| |:2:| 2 .", "0 1 2 2 3 0 4 4 5 6"),
        # After a jump: once each, and what was not heard before with its repeats.
        (". T D c. :|", "0 1 2 0 1 3 4 3 4"),
        (". D . D", "0 1 0 1 2 3 0 1 2 3"),
        ("s. S s. S .", "0 1 0 1 2 3 2 3 4"),
    ],
)
def test_played_order(signs, order):
    assert played_form(bars(signs)).order == [int(bar) for bar in order.split()]


@pytest.mark.parametrize(
    ("signs", "order"),
    [
        (". :| . :|", "0 1 2 3"),
        ("|:. 1:| 2 .", "0 2 3"),
        ("|:. 1,2:| 3 .", "0 2 3"),
        ("|:. 1:| 2 F D", "0 2 3 4"),
        (". 2 .", "0 1 2"),
    ],
)
def test_played_once(signs, order):
    assert played_form(bars(signs), repeats=False).order == [int(bar) for bar in order.split()]


def test_repeats_are_bounded():
    with pytest.raises(ValueError, match="repeats played out"):
        played_form(bars("|:. " + ". " * (MAX_BARS // 16) + ":17|"))


def bar(pitch, before="", after="", inside=""):
    return before + note(pitch, 96, inside=inside) + after


START, STOP = '<tie type="start"/>', '<tie type="stop"/>'


def voltas(tie=""):
    stop = STOP if tie else ""
    first = bar("D4", barline(ending="1"), barline("backward", "1", "stop"), inside=stop)
    second = bar("D4", barline(ending="2"), barline("", "2", "discontinue"), inside=stop)
    opening = bar("C4" if not tie else "D4", attributes() + barline("forward"), inside=tie)
    return score_xml(opening, first, second, bar("E4"))


def test_voltas_of_a_file(tmp_path):
    score = read(tmp_path, voltas())
    assert rows(score) == [(60, 0, 4), (62, 4, 4), (60, 8, 4), (62, 12, 4), (64, 16, 4)]
    assert score.bar_number.tolist() == [1, 2, 1, 3, 4]
    assert score.note_id == ("n1", "n2", "n1-2", "n3", "n4")
    assert rows(read(tmp_path, voltas(), repeats=False)) == [(60, 0, 4), (62, 4, 4), (64, 8, 4)]


def test_a_tie_leads_into_every_volta(tmp_path):
    assert rows(read(tmp_path, voltas(START))) == [(62, 0, 8), (62, 8, 8), (64, 16, 4)]


def test_a_tie_does_not_lead_back_to_the_beginning(tmp_path):
    section = bar("C4", attributes(), barline("backward", kind="stop"), inside=START)
    score = read(tmp_path, score_xml(bar("D4", attributes()), section, bar("C4")))
    assert rows(score) == [
        (62, 0, 4), (60, 4, 4), (62, 8, 4), (60, 12, 8),
    ]  # fmt: skip
    same = read(
        tmp_path,
        score_xml(bar("C4", attributes()), bar("C4", "", barline("backward", kind="stop"), inside=START)),
    )
    assert rows(same) == [(60, 0, 4), (60, 4, 4), (60, 8, 4), (60, 12, 4)]


def test_what_is_in_force_is_what_the_page_says(tmp_path):
    """Tempo, dynamics and signatures of the first bars come back with them."""
    first = attributes(4, 4) + '<sound tempo="60"/><sound dynamics="20"/>' + note("C4", 96)
    second = attributes(3, 4) + '<sound tempo="120"/><sound dynamics="100"/>' + note("D4", 72)
    score = read(tmp_path, score_xml(first, second + barline("backward", kind="stop")))
    assert [(tempo.start, tempo.quarters_per_minute) for tempo in score.tempos] == [
        (0, 60),
        (4, 120),
        (7, 60),
        (11, 120),
    ]
    assert [(time.start, time.beats) for time in score.time_signatures] == [(0, 4), (4, 3), (7, 4), (11, 3)]
    assert score.notes.onset.tolist() == [0, 4000, 5500, 9500]
    assert score.notes.velocity.tolist() == [18, 90, 18, 90]


def test_da_capo_of_a_file(tmp_path):
    last = (
        note("D4", 96)
        + '<direction><direction-type><words>D.C.</words></direction-type><sound dacapo="yes"/></direction>'
    )
    score = read(tmp_path, score_xml(attributes() + note("C4", 96) + '<sound fine="yes"/>', last))
    assert score.notes.pitch.tolist() == [60, 62, 60]


def test_a_score_that_repeats_without_end_is_refused(tmp_path):
    section = bar("C4", attributes() + barline("forward")) + barline("backward", kind="stop", times=16)
    with pytest.raises(ScoreError, match="repeats played out; split it"):
        read(tmp_path, score_xml(*[section] * 1500))
