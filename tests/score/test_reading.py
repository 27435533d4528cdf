"""How ornaments are asked to be played, and what becomes of a score read so."""

import pytest

from pianist_jax.errors import PianistError
from pianist_jax.score.describe import describe
from pianist_jax.score.load import load
from pianist_jax.score.ornaments import PLAIN, OrnamentStyle
from pianist_jax.score.reading import AS_IT_STANDS, Reading, parse_ornaments
from tests.score.xml_text import attributes, note, score_xml

TRILL = "<ornaments><trill-mark/></ornaments>"
REPEAT = '<barline location="right"><repeat direction="backward"/></barline>'


def test_styles_are_written_in_words():
    assert parse_ornaments([]) == PLAIN
    assert parse_ornaments(["none"]) == OrnamentStyle(played=False)
    assert parse_ornaments(["trills=upper,pace=100", "arpeggios=last"]) == OrnamentStyle(True, True, True, 100.0)
    assert parse_ornaments(["trills=main", "arpeggios=first"]) == OrnamentStyle(True, False, False)
    assert parse_ornaments(["trills=composer"]) == PLAIN


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["trills=high"], "trills=main|upper|composer"),
        (["mordents=long"], "is no style"),
        (["pace=fast"], "from 40 to 400"),
        (["pace=nan"], "from 40 to 400"),
        (["pace=5"], "from 40 to 400"),
        (["none", "trills=upper"], "have no style"),
        (["trills=main", "trills=upper"], "given twice"),
        (["none=yes"], "is no style"),
    ],
)
def test_other_styles_are_refused_in_a_line(texts, says):
    with pytest.raises(PianistError, match=says.replace("|", r"\|")) as caught:
        parse_ornaments(texts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("reading", "pitches"),
    [
        (AS_IT_STANDS, [72, 74, 72, 74, 72, 74, 72, 67] * 2),
        (Reading(repeats=False), [72, 74, 72, 74, 72, 74, 72, 67]),
        (Reading(repeats=False, style=parse_ornaments(["trills=upper"])), [74, 72, 74, 72, 74, 72, 74, 72, 67]),
        (Reading(repeats=False, style=parse_ornaments(["pace=140"])), [72, 74, 72, 67]),
        (Reading(repeats=False, style=parse_ornaments(["none"])), [72, 67]),
    ],
)
def test_a_score_is_read_as_it_is_wanted(tmp_path, reading, pitches):
    path = tmp_path / "a.musicxml"
    path.write_text(score_xml(attributes() + note("C5", 24, notations=TRILL) + note("G4", 72) + REPEAT))
    assert load(path, reading).notes.pitch.tolist() == pitches
    assert dict(describe(path, reading))["notes"].startswith(str(len(pitches)))


def test_only_what_is_said_is_told():
    assert AS_IT_STANDS.metadata() == {}
    assert Reading("2", repeats=False).metadata() == {"part": "2", "repeats": False}
    assert Reading(style=OrnamentStyle(played=False)).metadata()["ornaments"]["played"] is False
