"""What pieces are called, in every format, and what is no title."""

import dataclasses
import shutil

import mido
import pytest

from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.outputs import save_rendering
from pianist_jax.rendering.stored import describe_rendering, read_rendering
from pianist_jax.score.load import load
from pianist_jax.score.titles import title_of, track_title
from tests.rendering.renderings import CHORALE, made_up_rendering

ABC = "X:1\nT:The Well of Years\nT:another\nC:Trad.\nM:4/4\nL:1/4\nK:C\nCDEF|\n"
KERN = "!!!COM: Bach\n!!!OTL@@DE: Präludium  in C\n!!!OTL@EN: Prelude\n**kern\n*M4/4\n=1\n1c\n*-\n"
MEI = """<mei xmlns="http://www.music-encoding.org/ns/mei"><meiHead><fileDesc><titleStmt>
<title type="alternative">Other</title><title type="main">Album <rend>für</rend> die Jugend</title>
<title type="subordinate">Wilder Reiter</title></titleStmt><pubStmt/></fileDesc></meiHead>
<music><body><mdiv><score><scoreDef meter.count="4" meter.unit="4"><staffGrp><staffDef n="1" lines="5" clef.shape="G"
clef.line="2"/></staffGrp></scoreDef><section><measure n="1"><staff n="1"><layer><note pname="c" oct="4" dur="1"/>
</layer></staff></measure></section></score></mdiv></body></music></mei>"""
XML = """<score-partwise version="4.0"><work><work-title>Sonata No. 14</work-title></work>
<movement-title>Adagio   sostenuto</movement-title><part-list><score-part id="P1"><part-name>Piano</part-name>
</score-part></part-list><part id="P1"><measure number="1"><attributes><divisions>1</divisions></attributes>
<note><pitch><step>C</step><octave>4</octave></pitch><duration>4</duration></note></measure></part></score-partwise>"""


@pytest.mark.parametrize(
    ("suffix", "text", "title"),
    [
        ("abc", ABC, "The Well of Years"),
        ("krn", KERN, "Präludium in C"),
        ("mei", MEI, "Album für die Jugend, Wilder Reiter"),
        ("musicxml", XML, "Sonata No. 14, Adagio sostenuto"),
        ("musicxml", XML.replace("<work-title>Sonata No. 14</work-title>", ""), "Adagio sostenuto"),
        ("musicxml", XML.replace("Adagio   sostenuto", "Sonata No. 14"), "Sonata No. 14"),
        ("abc", ABC.replace("T:The Well of Years\nT:another\n", ""), ""),
    ],
)
def test_titles_of_formats(tmp_path, suffix, text, title):
    path = tmp_path / f"x.{suffix}"
    path.write_text(text, encoding="utf-8")
    score = load(path)
    assert score.title == title
    assert score.grid.title == title


def test_a_midi_file_is_called_as_its_first_track(tmp_path):
    assert load(CHORALE).title == "Prelude in C minor, op. 28 no. 20"
    for name, title in (("Nocturne", "Nocturne"), ("Tempo track", ""), ("Track 1", ""), ("\0 untitled", ""), ("", "")):
        file = mido.MidiFile()
        file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name=name)]))
        strike = [mido.Message("note_on", note=60, velocity=64), mido.Message("note_off", note=60, time=480)]
        file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name="Right hand"), *strike]))
        path = tmp_path / "x.mid"
        file.save(path)
        assert load(path).title == title
    one = mido.MidiFile(type=0)
    one.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name="Nocturne"), *strike]))
    one.save(path)
    assert load(path).title == ""


def test_titles_of_odd_texts():
    assert title_of(None, "", "  \n ") == ""
    assert title_of("a\x1b[31m b\n c") == "a[31m b c"
    assert title_of("Sonata", "Sonata in C", "in c") == "Sonata in C"
    assert len(title_of("x" * 5000)) == 120
    assert track_title("Piano Concerto No. 2") == "Piano Concerto No. 2"
    for name in ("Piano", "Track 12", "Tempo Track", "conductor", "Untitled", "*** ", "MIDI 01", "Piano track"):
        assert track_title(name) == ""


def test_files_are_called_as_the_score_is(tmp_path):
    score = tmp_path / "no17.mid"
    shutil.copy(CHORALE, score)
    rendering = made_up_rendering(score)
    title = "Prelude in C minor, op. 28 no. 20"
    assert (rendering.name, rendering.title) == ("no17", title)
    saved = save_rendering(rendering, tmp_path / "no17", force=True, extras=Extras(page=True))
    assert {path.name for path in saved.files} == {
        "no17.performance.mid",
        "no17.daw.mid",
        "no17.html",
        "no17.json",
    }
    for name in ("no17.performance.mid", "no17.daw.mid"):
        first = mido.MidiFile(tmp_path / name, charset="utf-8").tracks[0]
        assert [message.name for message in first if message.type == "track_name"] == [title]
    assert f"<title>{title}" in (tmp_path / "no17.html").read_text(encoding="utf-8")
    stored = read_rendering(tmp_path / "no17.json").rendering
    assert (stored.name, stored.title) == ("no17", title)
    assert ("format", f"rendering of {title}") in describe_rendering(tmp_path / "no17.json")
    assert rendering.grid is not None
    untitled = dataclasses.replace(rendering, grid=dataclasses.replace(rendering.grid, title=""))
    assert untitled.title == "no17"
