"""Da capo, dal segno, fine and coda in words and bare signs; every bar holds one note: pitches tell bars."""

import pytest

from pianist_jax.score.describe import describe
from tests.score.xml_text import attributes, barline, direction, note, read, rows, score_xml

NAMES = ["C4", "D4", "E4", "F4", "G4", "A4", "B4", "C5", "D5", "E5"]
BAR_OF = {60: 1, 62: 2, 64: 3, 65: 4, 67: 5, 69: 6, 71: 7, 72: 8, 74: 9, 76: 10}


def words(*texts: str, sound: str = "", more: str = "") -> str:
    return direction("".join(f"<words>{text}</words>" for text in texts) + more, sound=sound)


SEGNO, CODA = direction("<segno/>"), direction("<coda/>")


def page(count: int, before: dict[int, str] | None = None, after: dict[int, str] | None = None) -> str:
    """So many bars of one note; what stands before and after the note, by bar from 1 on."""
    bars = []
    for bar in range(1, count + 1):
        first = attributes() if bar == 1 else ""
        bars.append(first + (before or {}).get(bar, "") + note(NAMES[bar - 1], 96) + (after or {}).get(bar, ""))
    return score_xml(*bars)


def played(tmp_path, *page_of, repeats=True) -> str:
    score = read(tmp_path, page(*page_of), repeats=repeats)
    return " ".join(str(BAR_OF[pitch]) for pitch in score.notes.pitch.tolist())


@pytest.mark.parametrize(
    "text",
    ["D.C. al Fine", "D. C. al Fine", "Da Capo al Fine", "DC al fine", "Menuetto D.C. al Fine", "da capo  sin al  Fine",
     "from the beginning to the end", "Von vorn bis Fine", "Von Anfang bis zum Ende", "au début jusqu'à la fin",
     "Vom Anfang bis Fine", "Repeat from beginning to Fine", "Wiederholung von Anfang bis Fine", "D.Capo al Fine",
     "Od początku do końca", "Od začátku až do konce", "Az elejétől a végéig", "D.C. al Fine senza replica",
     "Da C. al Fine", "Dal principio al Fine", "Desde el principio hasta Fin", "Do início ao Fim", "С начала до конца"],
)  # fmt: skip
def test_da_capo_al_fine_in_words(tmp_path, text):
    fine = {"zum Ende": "Ende", "la fin": "Fin", "the end": "The End", "Fim": "Fim", "hasta Fin": "Fin",
            "końca": "Koniec", "konce": "Konec", "végéig": "Vége"}  # fmt: skip
    mark = next((word for sign, word in fine.items() if sign in text), "Fine")
    assert played(tmp_path, 4, {}, {2: words(mark), 4: words(text)}) == "1 2 3 4 1 2"


@pytest.mark.parametrize("text", ["D.S. al Fine", "Dal Segno al Fine", "D. S. al fine", "vom Zeichen bis Fine",
                                  "D.𝄋. al Fine", "dal 𝄋 al Fine", "Vom 𝄋 bis Fine", "𝄋 al Fine", "Dal S. al Fine",
                                  "De § al Fin", "Back to sign", "Volta al segno"])  # fmt: skip
def test_dal_segno_al_fine_in_words(tmp_path, text):
    assert played(tmp_path, 5, {2: SEGNO}, {3: words("FINE."), 4: words(text)}) == "1 2 3 4 2 3"


@pytest.mark.parametrize(
    ("text", "leads", "begins"),
    [
        ("D.C. al Coda", words("To Coda"), words("Coda")),
        ("D.C. al Coda", words("To Coda", more="<coda/>"), words("CODA", more="<coda/>")),
        ("D.C. al Coda", CODA, CODA),
        ("D.C. e poi la Coda", words("al Coda"), CODA),
        ("Da capo alla Coda", words("zur Coda"), words("Coda")),
        ("Von vorn, dann Coda", words("to the Coda"), words("𝄌")),
        ("D.C. al ", CODA, CODA),
        ("D.C. al 𝄌 e poi Coda", words("𝄌"), words("𝄌")),
        ("D.C. al Coda", words("Coda"), words("Coda")),
        ("D.C. al Coda", words("2nd time to Coda"), words("Coda")),
        ("D.C. al Coda", words("To Coda"), direction("<rehearsal>Coda</rehearsal>")),
        ("D.C. al Coda", words("\ue048"), words("\ue048")),
        ("Da capo, puis coda", words("Vers la coda"), words("Coda")),
        ("D.C. al Coda", words("→ Coda"), words("Coda")),
        ("D.C. al Kóda", words("a kódára"), words("Kóda")),
        ("D.C. al Coda", words("do kody"), words("Koda")),
        ("D.C. al Coda", words("na kódu"), words("KÓDA")),
        ("D.C. al Coda", words("Vers la Co\u0301da"), words("Co\u0301da")),  # an accent of its own
        ("D.C. al Fine e poi la Coda", words("To Coda"), words("Coda")),  # no Fine
        ("\ue046 al \ue048", words("To Coda"), '<barline location="left" coda="1"><coda/></barline>'),
    ],
)
def test_coda_in_words_and_bare_signs(tmp_path, text, leads, begins):
    jump = words(text, more="<coda/>" if text.endswith("al ") else "")
    assert played(tmp_path, 5, {4: begins}, {1: leads, 3: jump}) == "1 2 3 1 4 5"


@pytest.mark.parametrize(
    "text",
    ["D.C. al Fine e poi la Coda", "Da capo al fine, poi segue la coda", "D.C. al Fine, dann Coda",
     "D.C. al Fine + Coda", "D.C. e poi la Coda", "Menuetto D.C. senza replica e poi la Coda",
     "D.C. senza ripetizione e poi Coda"],
)  # fmt: skip
@pytest.mark.parametrize("coda", [CODA, words("Coda")])
def test_from_the_fine_on_to_the_coda(tmp_path, text, coda):
    """Where no sign leads to the coda, the fine does; repeats are not played again."""
    after = {1: barline("backward"), 2: words("Fine"), 4: words(text)}
    assert played(tmp_path, 6, {5: coda}, after) == "1 1 2 3 4 1 2 5 6"


def test_a_coda_after_the_fine_that_cannot_be_gone_to_is_told(tmp_path):
    then = words("D.C. al Fine e poi la Coda")
    assert played(tmp_path, 4, {}, {2: words("Fine"), 3: then}) == "1 2 3 1 2"
    told = [how for _, how in describe(tmp_path / "score.musicxml")]
    assert "bar 3: goes on to a coda that stands nowhere: ends at the Fine" in told
    text = UPBEAT.replace(barline("backward", kind="stop"), "").replace("D.C. al Fine", "D.C. al Fine e poi la Coda")
    coda = text.replace("</part>", f'<measure number="4">{CODA}{note("E4", 96)}</measure></part>')
    assert read(tmp_path, coda).notes.pitch.tolist() == [67, 72, 74, 69, 65, 67, 72, 74, 69, 64]
    told = [how for _, how in describe(tmp_path / "score.musicxml")]
    assert "bar 3: goes on to a coda from a Fine in mid-bar: that bar is played whole" in told


@pytest.mark.parametrize("text", ["Vom Zeichen bis zur Coda", "Du signe à la coda", "Von 𝄋 bis 𝄌, dann Coda"])
def test_from_the_sign_to_the_coda_leads_back_where_nothing_else_does(tmp_path, text):
    assert played(tmp_path, 5, {2: SEGNO, 5: words("Coda")}, {3: words("To Coda"), 4: words(text)}) == "1 2 3 4 2 3 5"
    jumps = {2: words("From the sign to Coda"), 4: words("D.S. al Coda")}
    assert played(tmp_path, 5, {1: SEGNO, 5: words("Coda")}, jumps) == "1 2 3 4 1 2 5"


@pytest.mark.parametrize("text", ["Fine", "(Fine)", "Fim", "Конец", "Einde", "Fine del Minuetto", "Fine 2nd time"])
def test_what_a_fine_is_called(tmp_path, text):
    assert played(tmp_path, 4, {}, {2: words(text), 4: words("D.C. al Fine")}) == "1 2 3 4 1 2"


@pytest.mark.parametrize(
    "text", ["cresc. al Fine", "come dal principio", "from the top of the bow", "al segno", "50%", "attacca il Finale"]
)
def test_words_that_only_sound_like_jumps(tmp_path, text):
    assert played(tmp_path, 3, {}, {2: words(text)}) == "1 2 3"


def test_the_sign_in_the_words_of_a_jump_is_no_place_to_go(tmp_path):
    jump = direction("<words>D.S. </words><segno/><words> al Coda </words><coda/>")
    assert played(tmp_path, 6, {2: SEGNO, 5: CODA}, {3: words("To Coda"), 4: jump}) == "1 2 3 4 2 3 5 6"


def test_what_a_program_says_is_not_said_twice(tmp_path):
    jump = words("D.C. al Fine", sound='dacapo="yes"')
    assert played(tmp_path, 4, {}, {2: words("Fine", sound='fine="yes"'), 4: jump}) == "1 2 3 4 1 2"
    # What ends the way is in the words alone: the sign to the coda is not for this time.
    parts = {1: words("To Coda", sound='tocoda="coda"'), 2: words("Fine"), 4: jump}
    assert played(tmp_path, 5, {5: words("Coda", sound='coda="coda"')}, parts) == "1 2 3 4 1 2"


def test_several_segni_and_codas_by_their_names(tmp_path):
    before = {1: SEGNO, 3: words("Segno 2")}
    after = {4: words("D.S. al segno 2"), 6: words("D.S.")}  # the second time to the first
    assert played(tmp_path, 7, before, after) == "1 2 3 4 3 4 5 6 1 2 3 4 5 6 7"
    named = {1: '<sound segno="A"/>', 2: '<sound segno="B"/>'}
    leap = {3: '<sound dalsegno="A"/>', 4: '<sound dalsegno="B"/>'}
    assert played(tmp_path, 5, named, leap) == "1 2 3 1 2 3 4 2 3 4 5"
    codas = {4: '<sound coda="1"/>', 5: '<sound coda="2"/>'}
    assert played(tmp_path, 5, codas, {1: '<sound tocoda="2"/>', 3: '<sound dacapo="yes"/>'}) == "1 2 3 1 5"


def test_repeats_after_a_jump(tmp_path):
    repeat = barline("backward", kind="stop")
    assert played(tmp_path, 3, {}, {1: repeat, 2: words("Fine"), 3: words("D.C. al Fine")}) == "1 1 2 3 1 2"
    again = words("D.C. al Fine con repetizione")
    assert played(tmp_path, 3, {}, {1: repeat, 2: words("Fine"), 3: again}) == "1 1 2 3 1 1 2"
    signed = repeat.replace("<repeat ", '<repeat after-jump="yes" ')
    assert played(tmp_path, 3, {}, {1: signed, 2: words("Fine"), 3: words("D.C. al Fine")}) == "1 1 2 3 1 1 2"
    assert played(tmp_path, 3, {}, {1: repeat, 3: words("D.C.")}, repeats=False) == "1 2 3"


@pytest.mark.parametrize(
    "text",
    ["Un peu plus lent qu'au début", "fine mordents", "accelerando sin al fine", "Codetta", "in D. cresc.",
     "M.D. sopra", "od końca", "jako kóda", "come all'inizio", "poco a poco al fine", "Fines herbes", "d. cantabile"],
)  # fmt: skip
def test_words_that_are_no_jump(tmp_path, text):
    assert played(tmp_path, 3, {2: words(text)}, {1: words("Fine")}) == "1 2 3"


def test_brackets_without_and_with_odd_numbers(tmp_path):
    def under(first: str, second: str) -> str:
        before = {2: barline(ending=first), 3: barline(ending=second)}
        after = {2: barline("backward", first, "stop"), 3: barline("", second, "discontinue")}
        text = page(4, before, after).replace("ending number='-'", "ending number=''")
        return " ".join(str(BAR_OF[pitch]) for pitch in read(tmp_path, text).notes.pitch.tolist())

    assert under("-", "-") == "1 2 1 3 4"
    assert under("1.", "2.") == "1 2 1 3 4"
    assert under("1-2", "3") == "1 2 1 2 1 3 4"


UPBEAT = score_xml(
    attributes() + note("G4", 24),
    note("C5", 96),
    note("D5", 72) + words("Fine") + barline("backward", kind="stop") + note("A4", 24),
    note("F4", 72) + words("D.C. al Fine"),
    first=0,
)


def test_a_fine_in_mid_bar_breaks_it_off_where_an_upbeat_follows(tmp_path):
    text = UPBEAT.replace(barline("backward", kind="stop"), "")
    score = read(tmp_path, text)
    assert score.notes.pitch.tolist() == [67, 72, 74, 69, 65, 67, 72, 74]
    assert rows(score)[-1] == (74, 17, 3)
    assert score.bars[-1].length == 3
    # Not where something sounds over it, or what is left is no upbeat.
    over = "<backup><duration>48</duration></backup>" + note("C4", 48, voice=2)
    held = text.replace(note("A4", 24), note("A4", 24) + over)
    assert read(tmp_path, held).bars[-1].length == 4
    assert read(tmp_path, text.replace(note("G4", 24), note("G4", 48), 1)).bars[-1].length == 4


def test_jumps_that_lead_nowhere_are_told_with_their_bar(tmp_path):
    after = {2: words("To Coda"), 3: words("D.S. al Fine"), 4: words("D.C. al Coda")}
    assert played(tmp_path, 4, {}, after) == "1 2 3 1 2 3 4 1 2 3 4"
    told = [how for _, how in describe(tmp_path / "score.musicxml")]
    assert "bar 2: leads to a coda that stands nowhere: not taken" in told
    assert "bar 3: D.S. without a segno before it: played from the beginning" in told
    assert "bar 3: goes on to a Fine that stands nowhere: played to the end" in told


def test_an_empty_bar_is_a_bar_of_rest(tmp_path):
    score = read(tmp_path, score_xml(attributes(3, 4) + note("C4", 72), "", note("D4", 72)))
    assert rows(score) == [(60, 0, 3), (62, 6, 3)]
    text = score_xml(attributes() + note("C4", 24), "", note("D4", 96))
    uncounted = text.replace('number="2"', 'number="X" implicit="yes"')
    assert read(tmp_path, uncounted).onset.tolist() == [0, 1]


def test_a_chord_struck_note_by_note_and_then_held(tmp_path):
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    struck = "".join(note(name, 32, inside=start) for name in ("C4", "E4", "G4"))
    held = "".join(note(name, 96, inside=stop, chord=k > 0) for k, name in enumerate(("C4", "E4", "G4")))
    score = read(tmp_path, score_xml(attributes() + struck, held))
    assert [(pitch, round(onset + length, 6)) for pitch, onset, length in rows(score)] == [(60, 8), (64, 8), (67, 8)]
    # Something that is not held comes between: the note is struck again.
    broken = note("C4", 32, inside=start) + note("E4", 32) + note("G4", 32, inside=start)
    assert len(read(tmp_path, score_xml(attributes() + broken, held))) == 5


@pytest.mark.parametrize("segno", ['<barline location="left"><segno/></barline>', words("\ue047")])
def test_a_segno_at_a_bar_line_or_of_a_font(tmp_path, segno):
    assert played(tmp_path, 5, {2: segno}, {3: words("Fine"), 4: words("\ue045 al Fine")}) == "1 2 3 4 2 3"


def test_a_repeat_that_ends_at_the_left_of_a_bar_ends_what_is_before_it(tmp_path):
    assert played(tmp_path, 4, {3: barline("backward")}) == "1 2 1 2 3 4"
