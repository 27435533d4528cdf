"""Tempi in words and relations."""

import pytest

from pianist_jax.performance.pace import has_tempo
from pianist_jax.score.describe import describe
from pianist_jax.score.tempi import TEMPO_WORDS
from tests.score.xml_text import attributes, direction, note, read, score_xml


def words(text: str, sound: str = "") -> str:
    return direction(f"<words>{text}</words>", sound=sound)


def metronome(inside: str) -> str:
    return direction(f"<metronome>{inside}</metronome>")


def tempi(tmp_path, *bars, beats=4, beat_type=4):
    """(bar from 1 on, quarters a minute, unit, seen) of each change."""
    length = 96 * beats // beat_type
    first, *more = (bar + note("C4", length) for bar in bars)
    score = read(tmp_path, score_xml(attributes(beats, beat_type) + first, *more))
    return [(int(t.start // (length / 24)) + 1, round(t.quarters_per_minute, 1), t.unit, t.seen) for t in score.tempos]


@pytest.mark.parametrize(
    ("text", "quarters"),
    [
        ("Grave", 40), ("Adagio", 71), ("Andante cantabile", 92), ("Allegro", 138), ("ALLEGRO", 138), ("Presto", 184),
        ("Prestissimo", 204), ("Allegro moderato", 126), ("Molto allegro", 149), ("Adagio molto", 65.7),
        ("Allegro ma non troppo", 127.8), ("Langsam", 52.5), ("Très vif", 168.5), ("Lebhaft", 139), ("Slowly", 60),
        ("Tranquillo", 73), ("Alla marcia", 114), ("Il più presto possibile", 198.7),
    ],
)  # fmt: skip
def test_a_word_means_a_tempo(tmp_path, text, quarters):
    assert tempi(tmp_path, words(text)) == [(1, pytest.approx(quarters, abs=0.1), 0, True)]
    rows = dict(describe(tmp_path / "score.musicxml"))
    assert rows["read as"].startswith(f'"{text}" in bar 1: ')
    assert has_tempo(read(tmp_path, (tmp_path / "score.musicxml").read_text()).grid)


@pytest.mark.parametrize("text", ["allegramente", "dolce", "rit. molto", "con fuoco", "Allegro rit.", "Tempo di nulla"])
def test_other_words_mean_none(tmp_path, text):
    assert tempi(tmp_path, words(text)) == [(1, 120, 0, False)]


@pytest.mark.parametrize(("beats", "beat_type", "quarters"), [(2, 2, 195.2), (6, 8, 169), (3, 8, 97.6), (3, 4, 138)])
def test_the_beat_of_the_metre_counts(tmp_path, beats, beat_type, quarters):
    assert tempi(tmp_path, words("Allegro"), beats=beats, beat_type=beat_type) == [(1, quarters, 0, True)]


def test_numbers_at_the_place_rule(tmp_path):
    assert tempi(tmp_path, words("Adagio", 'tempo="50"')) == [(1, 50, 0, True)]
    quarter = "<beat-unit>quarter</beat-unit><per-minute>66</per-minute>"
    assert tempi(tmp_path, words("Adagio") + metronome(quarter)) == [(1, 66, 1, True)]
    # What programs write where nobody has said anything is no number.
    assert tempi(tmp_path, words("Adagio") + '<sound tempo="120"/>') == [(1, 71, 0, True)]


@pytest.mark.parametrize(
    ("text", "tempo"),
    [
        ("♩ = 40", (40, 1)), ("(♩ = c. 40)", (40, 1)), ("♪=90", (45, 0.5)), ("Lento ♩. = 60-64", (93, 1.5)),
        ("\ueca5 = 72", (72, 1)), ("M.M. ♩ = 63,5", (63.5, 1)),
    ],
)  # fmt: skip
def test_numbers_in_words(tmp_path, text, tempo):
    assert tempi(tmp_path, words(text)) == [(1, *tempo, True)]


def test_one_note_value_becomes_another(tmp_path):
    mark = "<beat-unit>quarter</beat-unit><per-minute>80</per-minute>"
    same = "<beat-unit>quarter</beat-unit><beat-unit>quarter</beat-unit><beat-unit-dot/>"
    kind = "<metronome-note><metronome-type>{}</metronome-type></metronome-note>"
    notes = kind.format("half") + "<metronome-relation>equals</metronome-relation>" + kind.format("quarter")
    found = tempi(tmp_path, metronome(mark), metronome(same), metronome(notes), words("♪ = ♩"))
    assert found == [(1, 80, 1, True), (2, 120, 1.5, True), (3, 60, 1, True), (4, 120, 1, True)]
    swing = kind.format("eighth") * 2 + "<metronome-relation>equals</metronome-relation>" + kind.format("quarter")
    assert tempi(tmp_path, metronome(mark), metronome(swing)) == [(1, 80, 1, True)]


def test_back_to_a_tempo(tmp_path):
    bars = [words("Allegro"), '<sound tempo="90"/>', words("a tempo"), words("Più mosso"), words("Tempo I")]
    assert tempi(tmp_path, *bars) == [
        (1, 138, 0, True), (2, 90, 0, False), (3, 138, 0, True), (4, 158.7, 0, True), (5, 138, 0, True),
    ]  # fmt: skip
    assert tempi(tmp_path, words("Lento"), words("Più mosso"), words("Più mosso")) == [
        (1, 52.5, 0, True), (2, 60.4, 0, True),
    ]  # fmt: skip
    later = [words(text) for text in ("sostenuto", "sempre più animato", "Attacca subito l'Allegro", "Vivace")]
    assert tempi(tmp_path, words("Lento"), *later) == [(1, 52.5, 0, True), (5, 166, 0, True)]
    assert tempi(tmp_path, words("Lento"), words("doppio movimento")) == [(1, 52.5, 0, True), (2, 105, 0, True)]
    assert tempi(tmp_path, words("a tempo")) == [(1, 120, 0, False)]


def test_ranges_and_round_numbers_are_understood(tmp_path):
    range_of = "<beat-unit>eighth</beat-unit><per-minute>100-120</per-minute>"
    assert tempi(tmp_path, metronome(range_of)) == [(1, 55, 0.5, True)]
    about = "<beat-unit>half</beat-unit><beat-unit-dot/><per-minute>ca. 66</per-minute>"
    assert tempi(tmp_path, metronome(about)) == [(1, 198, 3, True)]


MARK = metronome("<beat-unit>quarter</beat-unit><per-minute>72</per-minute>")


@pytest.mark.parametrize("sign", ['<sound tempo="72"/>', MARK])
def test_a_tempo_in_the_second_part_counts(tmp_path, sign):
    first, second = (f'<part id="P{k}"><measure number="1">{attributes()}' for k in (1, 2))
    end = "</measure></part>"
    parts = f"{first}{note('C4', 96)}{end}{second}{sign}{note('C3', 96)}{end}"
    score = read(tmp_path, f"<score-partwise><part-list/>{parts}</score-partwise>")
    assert [tempo.quarters_per_minute for tempo in score.tempos] == [72]


def test_the_table_is_in_order():
    assert all(low <= high for low, high in TEMPO_WORDS.values())
    italian = ["grave", "largo", "larghetto", "adagio", "andante", "moderato", "allegro", "vivace", "presto"]
    middles = [sum(TEMPO_WORDS[word]) for word in italian]
    assert middles == sorted(middles)
