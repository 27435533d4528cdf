"""Files from strangers: archives, damaged files, and files made to harm."""

import io
import os
import struct
import zipfile

import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import MidiError
from pianist_jax.score.files import MAX_BYTES, parse_xml
from pianist_jax.score.load import ScoreError, load
from tests.memory import at_most
from tests.score.xml_text import attributes, note, read, rows, score_xml

PLAIN = score_xml(attributes() + note("C4", 96))
CONTAINER = '<container><rootfiles><rootfile full-path="{}"/></rootfiles></container>'


def mxl(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def archive(content=PLAIN, place="score.xml", **more):
    return mxl({"META-INF/container.xml": CONTAINER.format(place), "score.xml": content}, **more)


def test_mxl(tmp_path):
    assert rows(read(tmp_path, archive(), "a.mxl")) == [(60, 0, 4)]
    assert rows(read(tmp_path, archive(), "a.musicxml")) == [(60, 0, 4)]  # some programs name them so
    namespaced = CONTAINER.replace("<container>", '<container xmlns="urn:oasis">')
    data = mxl({"META-INF/container.xml": namespaced.format("a/b.xml"), "a/b.xml": PLAIN})
    assert rows(read(tmp_path, data, "a.mxl")) == [(60, 0, 4)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(tmp_path, encoding):
    text = PLAIN.replace("Piano", "Clavecín").replace('"UTF-8"', f'"{encoding.removesuffix("-sig")}"')
    assert rows(read(tmp_path, text.encode(encoding))) == [(60, 0, 4)]


def refused(tmp_path, data, name="score.musicxml"):
    """The one line that a file is refused with, in little time and memory."""
    with at_most(20, memory=600 << 20), pytest.raises(PianistError) as caught:
        read(tmp_path, data, name)
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    assert len(message) < 400
    return message


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))
BOMB = f'<!DOCTYPE score-partwise [<!ENTITY l0 "ha">{LAUGHS}]>'


@pytest.mark.parametrize(
    "head",
    [
        BOMB,
        '<!DOCTYPE score-partwise [<!ENTITY secret SYSTEM "{place}">]>',
        '<!DOCTYPE score-partwise [<!ENTITY % more SYSTEM "{place}">%more;]>',
        '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD" "{place}" [<!ENTITY secret SYSTEM "{place}">]>',
        "<!DOCTYPE score-partwise [<!ELEMENT a ANY>]>",
    ],
)
def test_entities_are_refused(tmp_path, head):
    secret = tmp_path / "secret"
    secret.write_text("C")
    text = score_xml(attributes() + note("C4", 96), head=head.replace("{place}", str(secret)))
    for reference in ("&l29;", "&secret;", ""):
        message = refused(tmp_path, text.replace("Piano", reference))
        assert "DOCTYPE" in message
        message = refused(tmp_path, archive(text.replace("Piano", reference)), "a.mxl")
        assert "DOCTYPE" in message
    assert "DOCTYPE" in refused(tmp_path, text.replace("score-partwise", "mei"), "a.mei")


def test_an_external_dtd_is_named_and_never_read(tmp_path, monkeypatch):
    pipe = tmp_path / "dtd"
    os.mkfifo(pipe)  # whoever opened it would wait for ever
    head = f'<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "{pipe}">'
    assert rows(read(tmp_path, score_xml(attributes() + note("C4", 96), head=head))) == [(60, 0, 4)]


def test_undeclared_entities_are_refused(tmp_path):
    assert "not well-formed" in refused(tmp_path, PLAIN.replace("Piano", "&unknown;"))


def test_zip_bombs(tmp_path):
    assert "unpacks to more" in refused(tmp_path, archive(b" " * (64 << 20)), "a.mxl")
    assert "unpacks to more" in refused(tmp_path, archive(PLAIN.encode() + b" " * (20 << 20)), "a.mxl")
    big = {
        "META-INF/container.xml": b" " * (1 << 20) + CONTAINER.format("score.xml").encode(),
        "score.xml": PLAIN,
    }
    assert "unpacks to more" in refused(tmp_path, mxl(big), "a.mxl")
    assert "more than 1000 files" in refused(tmp_path, mxl({f"{n}": "" for n in range(1001)}), "a.mxl")
    assert "oddly compressed" in refused(tmp_path, archive(method=zipfile.ZIP_BZIP2), "a.mxl")


def test_the_sizes_that_an_archive_states_are_not_believed(tmp_path):
    data = bytearray(archive(b" " * (64 << 20)))
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.rfind(signature)
        data[at + offset : at + offset + 4] = struct.pack("<I", 1000)
    refused(tmp_path, bytes(data), "a.mxl")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (mxl({"score.xml": PLAIN}), "has no META-INF/container.xml"),
        (archive(place="../../etc/passwd"), "has no ../../etc/passwd"),
        (archive(place=""), "names no score"),
        (archive()[:-30], "damaged .mxl archive"),
        (b"PK\x03\x04" + b"\xff" * 100, "damaged .mxl archive"),
        (PLAIN.encode(), "not an .mxl archive"),
    ],
)
def test_damaged_archives(tmp_path, data, says):
    assert says in refused(tmp_path, data, "a.mxl")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty file"),
        ("C4 D4", "not well-formed XML"),
        (PLAIN[:-20], "not well-formed XML"),
        ("<html/>", "not a MusicXML score (<html>)"),
        ("<score-partwise/>", "without bars"),
        (score_xml(attributes()), "no notes"),
        (PLAIN.replace("<duration>96", "<duration>many"), "'many' stands where a number"),
        (PLAIN.replace("<duration>96", "<duration>nan"), "'nan' stands where a number"),
        (PLAIN.replace("<duration>96", "<duration>1e9"), "a bar without end"),
        (PLAIN.replace("<duration>96", f"<duration>{'9' * 5000}"), "stands where a number"),
        (PLAIN.replace("<divisions>24", "<divisions>0"), "'0' stands where a number"),
        (PLAIN.replace("<octave>4", "<octave>four"), "'four' stands where a number"),
        (PLAIN.replace("<step>C", "<step>H"), "without a step"),
        (PLAIN.replace("<octave>4", "<octave>12"), "1 notes beyond MIDI's range left out"),
        ("<a>" * 5000 + "</a>" * 5000, "more XML than a score needs"),
        ("<a>" + "<b/>" * 2_000_000 + "</a>", "more XML than a score needs"),
        (PLAIN.replace('"UTF-8"', '"klingon"'), "not well-formed XML"),
    ],
    ids=range(17),
)
def test_damaged_musicxml(tmp_path, text, says):
    assert says in refused(tmp_path, text)


def test_what_is_too_long_is_refused(tmp_path):
    slow = score_xml(*[attributes() + '<sound tempo="4"/>' + note("C4", 96)] * 2000)
    assert "24 hours" in refused(tmp_path, slow)
    assert "200000 quarters" in refused(tmp_path, score_xml(*[attributes() + note("C4", 24 * 150_000)] * 2))
    signs = '<sound tempo="60"/>' * 200_001
    assert "more than 200000 tempo marks" in refused(tmp_path, score_xml(attributes() + signs + note("C4", 96)))
    parts = f'<part><measure number="1">{note("C4", 96)}</measure></part>' * 101
    assert "more than 100 parts" in refused(tmp_path, f"<score-partwise>{parts}</score-partwise>")
    assert "20000 bars" in refused(tmp_path, score_xml(*["<b/>"] * 20_001))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.pdf", b"%PDF", "not a score format"),
        ("a.krn", b"hello", "not a Humdrum file"),
        ("a.krn", b"**kern\n4c\tx\n*-\n", "cannot be read"),
        ("a.krn", b"**text\nhello\n*-\n", "a.krn"),
        ("a.krn", b"**kern\n" + b"4c " * 10_000, "more kern than"),
        ("a.mei", b"<mei/>", "cannot be read"),
        ("a.mei", b"<mei xmlns='http://www.music-encoding.org/ns/mei'><music/></mei>", "cannot be read"),
        ("a.mid", b"MThd", "truncated"),
    ],
)
def test_other_damaged_files(tmp_path, name, data, says):
    assert says in refused(tmp_path, data, name)


def test_paths(tmp_path):
    with pytest.raises(ScoreError, match=r"gone\.mei: cannot be read \(No such file"):
        load(tmp_path / "gone.mei")
    (tmp_path / "folder.xml").mkdir()
    with pytest.raises(ScoreError, match="not a file"):
        load(tmp_path / "folder.xml")
    with pytest.raises(ScoreError, match="not a valid path"):
        load("a\0.xml")
    with pytest.raises(MidiError):
        load(tmp_path / "gone.mid")
    with pytest.raises(ScoreError, match=r"No such file"):
        load("https://localhost/score.mei")
    huge = tmp_path / "huge.musicxml"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ScoreError, match="larger than 32 MiB"):
        load(huge)


@pytest.mark.slow
def test_a_hundred_thousand_of_everything_takes_seconds(tmp_path):
    """Nothing takes quadratic time: ties, slurs, hairpins and dynamics on one pitch and at one place."""
    sign = "<direction><direction-type><{}/></direction-type></direction>".format
    tied = note("C4", 0, inside='<tie type="start"/>', notations='<slur type="start"/><slur type="stop"/>', grace=True)
    long = note("C4", 9600, inside='<tie type="start"/><tie type="stop"/>', chord=True)
    bar = attributes() + note("C4", 9600) + long * 30_000 + tied * 20_000
    bar += sign('wedge type="crescendo"') * 10_000 + sign('wedge type="stop"') * 10_000
    bar += "<direction><direction-type><dynamics><p/><sf/></dynamics></direction-type></direction>" * 10_000
    with at_most(60):
        score = read(tmp_path, score_xml(bar, note("D4", 96)))
    assert len(score) == 50_002


def test_no_element_is_lost_by_the_parser():
    root = parse_xml(b"<a x='1'>t<!-- c --><b>u</b>v<?p?></a>", "a")
    assert (root.tag, root.attrib, root.text) == ("a", {"x": "1"}, "t")
    assert [(child.tag, child.text, child.tail) for child in root] == [("b", "u", "v")]
