"""MEI, element by element, on made-up documents."""

import pytest

from pianist_jax.score.load import KeySignature, Mark, ScoreError, Tempo, TimeSignature
from pianist_jax.score.ornaments import PLAIN, OrnamentStyle
from tests.score.mei_text import bar, mei, n, pitches
from tests.score.xml_text import read, rows

WRITTEN = OrnamentStyle(played=False)


def load(tmp_path, *content, repeats=True, style=PLAIN, **more):
    return read(tmp_path, mei(*content, **more), "a.mei", repeats=repeats, style=style)


def marks(score):
    return {name: Mark(int(value)) for name, value in zip(score.note_id, score.marks, strict=True)}


def test_the_key_signature_alters_notes_that_say_nothing(tmp_path):
    score = load(
        tmp_path, bar(n("f4") + n("g4") + n("a4") + n("c5")), score='meter.count="4" meter.unit="4" key.sig="2s"'
    )
    assert pitches(score) == [66, 67, 69, 73]
    assert score.key_signatures == (KeySignature(0, 2, False),)


def test_a_document_that_says_what_sounds_is_taken_at_its_word(tmp_path):
    first = bar(n("f4", accid_ges="s") + n("c4", accid_ges="s") + n("f4", accid_ges="s") + n("g4"))
    score = load(tmp_path, first, bar(n("f4", "1")), score='meter.count="4" meter.unit="4" keysig="2s"')
    assert pitches(score) == [66, 61, 66, 67, 65]


def test_accidentals_hold_for_their_bar_octave_and_staff(tmp_path):
    first = bar(n("f4", accid="s") + n("f4") + n("f5") + n("f4", accid="n"), low=n("f3", "1"))
    score = load(tmp_path, first, bar(n("f4", "1")))
    assert [row[0] for row in rows(score)] == [53, 66, 66, 77, 65, 65]
    # The order of layers is not the order of time; an accidental in a child counts, and one that is tied over.
    upper = n("c5", "2") + n("c5", "2", inside='<accid accid="s"/>', tie="i")
    score = load(tmp_path, bar(upper, n("c5", "2") + n("c5", "2")), bar(n("c5", "2", tie="t") + n("c5", "2")))
    assert [(row[0], row[1]) for row in rows(score)] == [(72, 0), (72, 0), (73, 2), (73, 2), (72, 6)]


def test_signatures_as_elements_and_changes(tmp_path):
    staves = '<keySig sig="3f" mode="minor"/><meterSig count="3" unit="8"/><staffGrp><staffDef n="1"/></staffGrp>'
    change = '<scoreDef><keySig sig="0"/><meterSig sym="cut"/></scoreDef>'
    score = load(tmp_path, bar(n("e4", "4", dots="1")), change, bar(n("e4", "1")), score="", staves=staves)
    assert rows(score) == [(63, 0, 1.5), (64, 1.5, 4)]
    assert score.key_signatures == (KeySignature(0, -3, True), KeySignature(1.5, 0, False))
    assert score.time_signatures == (TimeSignature(0, 3, 8), TimeSignature(1.5, 2, 2))


def test_octave_lines_and_sounding_octaves(tmp_path):
    line = '<octave dis="8" dis.place="above" startid="#a" endid="#b" staff="1"/>'
    score = load(tmp_path, bar(n("c5", key="a") + n("d5", key="b", oct_ges="6") + n("e5", "2"), events=line))
    assert pitches(score) == [84, 86, 76]
    # A line from a note to itself is that note's alone: endid names the last one that it holds.
    one = '<octave dis="8" dis.place="above" startid="#a" endid="#a" staff="1"/>'
    assert pitches(load(tmp_path, bar(n("c5", "2", key="a", oct_ges="6") + n("d5", "2"), events=one))) == [84, 74]
    below = '<octave dis="15" dis.place="below" tstamp="2" tstamp2="0m+3" staff="1"/>'
    assert pitches(load(tmp_path, bar(n("c5") * 4, events=below))) == [72, 48, 48, 72]


def test_an_octave_line_that_says_no_side_leads_away_from_the_middle(tmp_path):
    lines = "".join(f'<octave dis="8" tstamp="1" tstamp2="0m+1" staff="{staff}"/>' for staff in (1, 2))
    score = load(tmp_path, bar(n("c6", "2") * 2, low=n("e2", "2") * 2, events=lines))
    assert pitches(score) == [28, 96, 40, 84]


def test_transposing_instruments_sound_and_percussion_is_reported(tmp_path):
    staves = '<staffGrp><staffDef n="1" trans.semi="-2"/><staffDef n="2" clef.shape="perc"/></staffGrp>'
    score = load(tmp_path, bar(n("c5", "1"), low=n("c4", "1")), staves=staves)
    assert pitches(score) == [70]
    assert score.left_out == ("1 percussion notes",)


def test_tuplets_as_elements_spans_and_attributes(tmp_path):
    third = [(60, 0, 0.333333), (62, 0.333333, 0.333333), (64, 0.666667, 0.333333), (65, 1, 3)]
    notes = [n("c4", "8", "a"), n("d4", "8", "b"), n("e4", "8", "c")]
    rest = n("f4", "2", dots="1")
    ways = [
        bar(f'<tuplet num="3" numbase="2"><beam>{"".join(notes)}</beam></tuplet>{rest}'),
        bar("".join(notes) + rest, events='<tupletSpan num="3" numbase="2" startid="#a" endid="#c"/>'),
        bar(n("c4", "8", tuplet="i1") + n("d4", "8", tuplet="m1") + n("e4", "8", tuplet="t1") + rest),
    ]
    for way in ways:
        assert rows(load(tmp_path, way)) == third


def test_layers_staves_rests_and_spaces(tmp_path):
    upper = '<rest dur="4"/>' + n("e5") + '<space dur="4"/>' + n("g5")
    lower = '<chord dur="2"><note pname="c" oct="3"/><note pname="g" oct="3"/></chord><rest dur="2"/>'
    score = load(
        tmp_path,
        bar(upper, '<space dur="2"/>' + n("c5", "2"), low=lower),
        bar("<mRest/>", low="<mRest/>"),
        bar(n("c4", "1")),
    )
    assert rows(score) == [(48, 0, 2), (55, 0, 2), (76, 1, 1), (72, 2, 2), (79, 3, 1), (60, 8, 4)]
    assert score.hand.tolist() == [2, 2, 1, 1, 1, 1]


def test_a_space_without_a_length_fills_its_bar(tmp_path):
    score = load(tmp_path, bar(n("e5", "1"), "<space/>" + n("c5")))
    assert rows(score) == [(76, 0, 4), (72, 3, 1)]


def test_a_staff_may_be_missing_and_a_rest_may_last_for_bars(tmp_path):
    score = load(tmp_path, bar(n("c5", "1"), low=n("c3", "1")), bar('<multiRest num="3"/>'), bar(n("d5", "1")))
    assert rows(score) == [(48, 0, 4), (72, 0, 4), (74, 16, 4)]


def test_grace_notes(tmp_path):
    graces = n("d5", "8", grace="unknown") + f"<graceGrp>{n('e5', '8')}</graceGrp>"
    score = load(tmp_path, bar(n("c5", "2") + graces + n("c5", "2")))
    assert rows(score) == [(72, 0, 2), (74, 1.75, 0.125), (76, 1.875, 0.125), (72, 2, 2)]


def test_ties_as_attributes_and_elements(tmp_path):
    tied = bar(n("c4", "1", "a", tie="i"), events='<tie startid="#b" endid="#d"/>', low=n("e3", "1", "b"))
    score = load(tmp_path, tied, bar(n("c4", "1", "c", tie="t"), low=n("e3", "1", "d")))
    assert rows(score) == [(52, 0, 8), (60, 0, 8)]
    by_place = '<tie tstamp="3" tstamp2="1m+1" staff="1"/>'
    score = load(tmp_path, bar(n("c4", "2") + n("d4", "2"), events=by_place), bar(n("d4", "1")))
    assert rows(score) == [(60, 0, 2), (62, 2, 6)]
    # An arpeggio written out: each note is held to the chord that it is tied to.
    ties = '<tie startid="#a" endid="#c"/><tie startid="#b" endid="#d"/>'
    chord = f'<chord dur="2">{n("c4", None, "c")}{n("e4", None, "d")}</chord>'
    assert rows(load(tmp_path, bar(n("c4", "4", "a") + n("e4", "4", "b") + chord, events=ties))) == [
        (60, 0, 4),
        (64, 1, 3),
    ]
    # The sign names a note too late, the notes' own attributes the right one.
    wrong = n("c4", "4", "a", tie="i") + n("c4", "4", tie="t") + n("d4", "4") + n("c4", "4", "c")
    found = load(tmp_path, bar(wrong, events='<tie startid="#a" endid="#c"/>'))
    assert rows(found) == [(60, 0, 2), (62, 2, 1), (60, 3, 1)]


def test_signs_at_notes(tmp_path):
    notes = n("c4", "4", "a", artic="stacc acc") + n("d4", "4", "b", inside='<artic artic="marc"/>', fermata="above")
    notes += n("e4", "4", "c", slur="i1") + n("f4", "4", "d", slur="t1", size="cue")
    events = '<trill startid="#a"/><arpeg plist="#b #c"/><mordent tstamp="4" staff="1"/><turn startid="#a"/>'
    found = marks(load(tmp_path, bar(notes, events=events), style=WRITTEN))
    assert found["a"] == Mark.STACCATO | Mark.ACCENT | Mark.TRILL | Mark.TURN
    assert found["b"] == Mark.MARCATO | Mark.FERMATA | Mark.ARPEGGIO
    assert found["c"] == Mark.ARPEGGIO | Mark.SLUR | Mark.SLUR_START
    assert found["d"] == Mark.SLUR | Mark.SLUR_STOP | Mark.SMALL | Mark.MORDENT


def test_dynamics_hairpins_and_pedal(tmp_path):
    events = '<dynam tstamp="1" staff="1">p</dynam><hairpin form="cres" tstamp="2" tstamp2="1m+1" staff="1"/>'
    events += '<pedal dir="down" tstamp="1"/><pedal dir="up" tstamp="3"/>'
    later = '<dynam tstamp="1" staff="1 2"><rend>f</rend></dynam><dynam tstamp="3" staff="1">sf</dynam>'
    score = load(tmp_path, bar(n("c4") * 4, events=events), bar(n("c4", "2") * 2, events=later))
    assert score.hairpin.tolist() == [0, 1, 1, 1, 0, 0]
    assert score.notes.velocity.tolist() == [49, 49, 65, 80, 96, 112]
    assert score.notes.pedal_value.tolist() == [127, 0]
    assert score.pedal.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("score", "tempo", "expected"),
    [
        ("", '<tempo tstamp="1" mm="60" mm.unit="4">Andante</tempo>', Tempo(0, 60, 1, True)),
        ("", '<tempo tstamp="1" mm="40" mm.unit="2" mm.dots="1"/>', Tempo(0, 120, 3, True)),
        ("", '<tempo tstamp="1" midi.bpm="72">Lento</tempo>', Tempo(0, 72, 0, True)),
        ('midi.bpm="100"', "", Tempo(0, 100)),
        ("", '<tempo tstamp="1" midi.mspb="1000000"/>', Tempo(0, 60)),
        ('mm="80" mm.unit="8"', "", Tempo(0, 40)),
    ],
)
def test_tempo(tmp_path, score, tempo, expected):
    loaded = load(tmp_path, bar(n("c4", "1"), events=tempo), score=f'meter.count="4" meter.unit="4" {score}')
    assert loaded.tempos[0] == expected


def test_measured_tremolos_are_written_out(tmp_path):
    single = f'<bTrem unitdur="16">{n("c4", "4", "a")}</bTrem>'
    score = load(
        tmp_path, bar(single + n("d4", "4", stem_mod="1slash") + n("e4", "2", "x", stem_mod="3slash")), style=WRITTEN
    )
    assert rows(score) == [(60, k / 4, 0.25) for k in range(4)] + [(62, 1, 0.5), (62, 1.5, 0.5), (64, 2, 2)]
    assert score.note_id[:4] == ("a", "a~2", "a~3", "a~4")
    assert marks(score)["x"] == Mark.TREMOLO
    double = f'<fTrem unitdur="8">{n("c4", "1")}{n("e4", "1")}</fTrem>'
    assert rows(load(tmp_path, bar(double))) == [(60 + 4 * (k % 2), k / 2, 0.5) for k in range(8)]
    free = f'<bTrem form="unmeas" unitdur="32">{n("c4", "1", "a")}</bTrem>'
    assert marks(load(tmp_path, bar(free), style=WRITTEN)) == {"a": Mark.TREMOLO}


def test_repeated_bars_and_beats(tmp_path):
    score = load(tmp_path, bar(n("c4", "2", accid="s") + n("d4", "2")), bar("<mRpt/>"), bar(n("e4") + "<beatRpt/>" * 3))
    assert rows(score) == [(61, 0, 2), (62, 2, 2), (61, 4, 2), (62, 6, 2)] + [(64, 8 + k, 1) for k in range(4)]
    assert len(set(score.note_id)) == 8


def numbered(*names, **attributes):
    """One bar a name, of one note: c4 is bar 1, d4 bar 2."""
    return [bar(n(f"{name}4", "1"), attributes=attributes.get(name, "")) for name in names]


def letters(score):
    return "".join({60: "c", 62: "d", 64: "e", 65: "f", 67: "g"}[pitch] for pitch in pitches(score))


def test_repeats_and_endings(tmp_path):
    a, b = numbered("c", "d", c='left="rptstart"', d='right="rptend"')
    assert letters(load(tmp_path, a, b)) == "cdcd"
    assert letters(load(tmp_path, a, b, repeats=False)) == "cd"
    c, d, e, f = numbered("c", "d", "e", "f", d='right="rptend"')
    voltas = [c, f'<ending n="1">{d}</ending>', f'<ending n="2">{e}</ending>', f]
    assert letters(load(tmp_path, *voltas)) == "cdcef"
    assert letters(load(tmp_path, *voltas, repeats=False)) == "cef"
    c, d, e = numbered("c", "d", "e", d='right="rptend"')
    thrice = [c, f'<ending n="1-3">{d}</ending>', f'<ending n="4">{e}</ending>']
    assert letters(load(tmp_path, *thrice)) == "cdcdcdce"


def test_expansions(tmp_path):
    c, d, e = numbered("c", "d", "e")
    plans = '<expansion xml:id="long" plist="#A #B #A #C"/><expansion type="norep" plist="#A #C"/>'
    body = f'<section>{plans}<section xml:id="A">{c}</section><ending xml:id="B" n="1">{d}</ending>'
    body += f'<section xml:id="C">{e}</section></section>'
    assert letters(load(tmp_path, body=body)) == "cdce"
    assert letters(load(tmp_path, body=body, repeats=False)) == "ce"
    assert letters(load(tmp_path, body=body.replace("#B", "#unknown"), repeats=False)) == "ce"


def test_one_reading_of_several_is_read(tmp_path):
    choice = f"<choice><sic>{n('c4', '2')}</sic><corr>{n('d4', '2')}</corr></choice>"
    app = f"<app><rdg>{n('c4', '4')}</rdg><lem>{n('e4', '4')}</lem></app>"
    app += f"<app><rdg>{n('f4', '4')}</rdg><rdg>{n('c4', '4')}</rdg></app>"
    assert pitches(load(tmp_path, bar(choice + app + f"<del>{n('c4')}</del>"))) == [62, 64, 65]


def test_copies(tmp_path):
    chord = f'<chord xml:id="a" dur="2">{n("c4", None, "b")}{n("e4", None)}</chord><chord copyof="#a"/>'
    score = load(tmp_path, bar(chord).replace("<measure", '<measure xml:id="m"'), '<measure copyof="#m"/>')
    assert rows(score) == [(p, on, 2) for on in (0, 2, 4, 6) for p in (60, 64)]
    assert len(set(score.note_id)) == 8
    around = '<beam xml:id="a"><beam copyof="#a"/></beam>'
    with pytest.raises(ScoreError, match=r"a\.mei: .*(without end|contain themselves)"):
        load(tmp_path, bar(around + n("c4")))


def test_parts_movements_and_pick_ups(tmp_path):
    staff = '<staffGrp><staffDef n="1"/></staffGrp>'
    part = f'<part><scoreDef meter.count="4" meter.unit="4">{staff}</scoreDef><section>{{}}</section></part>'
    text = mei(bar(n("c4", "1")))
    begin, end = text.index("<score>"), text.index("</score>") + len("</score>")
    parts = f"<parts>{part.format(bar(n('c5', '1')))}{part.format(bar(n('c3', '1')))}</parts>"
    assert rows(read(tmp_path, text[:begin] + parts + text[end:], "a.mei")) == [(48, 0, 4), (72, 0, 4)]
    two = text.replace("</mdiv>", "</mdiv>" + text[text.index("<mdiv>") : text.index("</body>")])
    assert rows(read(tmp_path, two, "a.mei")) == [(60, 0, 4), (60, 4, 4)]
    score = load(tmp_path, bar(n("c4"), attributes='n="0" metcon="false"'), bar(n("d4", "1"), attributes='n="1"'))
    assert [(bar.start, bar.number, bar.pickup) for bar in score.bars] == [(0, 0, True), (1, 1, False)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (mei(bar(n("c4", "5"))), "'5' stands where a note value"),
        (mei(bar(n("c40"))), "'40' stands where a number"),
        (mei(bar('<multiRest num="1000"/>' * 100)), "a bar without end"),
        (mei(bar("<mRest/>")), "no notes"),
        (mei(), "no bars"),
        (mei(bar('<tuplet num="999" numbase="1">' * 20 + n("c4") + "</tuplet>" * 20)), "tuplets in tuplets"),
    ],
)
def test_damaged_documents(tmp_path, text, says):
    with pytest.raises(ScoreError, match=says) as caught:
        read(tmp_path, text, "a.mei")
    assert "\n" not in str(caught.value)


def test_cue_notes_are_silent(tmp_path):
    chord = f'<chord dur="4" cue="true">{n("e4", None)}{n("g4", None)}</chord>'
    score = load(tmp_path, bar(n("c4", "4", cue="true") + chord + n("d4", "2")))
    assert rows(score) == [(62, 2, 2)]
    assert score.left_out == ("3 cue notes",)


def test_ornaments_named_by_letters(tmp_path):
    found = marks(load(tmp_path, bar(n("c4", "2", "a", ornam="T") + n("d4", "2", "b", ornam="S")), style=WRITTEN))
    assert found == {"a": Mark.TRILL, "b": Mark.TURN}
