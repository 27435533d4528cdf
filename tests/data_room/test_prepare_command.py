"""`pianist prepare` as a user types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pianist_jax.cli import app
from pianist_jax.data.shards import read_manifest, read_prepared
from pianist_jax.data.sources import SOURCES
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_midi
from tests.data_room.conftest import invented_notes


def run(*words: object) -> str:
    result = CliRunner().invoke(app, ["prepare", *map(str, words)])
    if result.exception:
        raise result.exception
    return result.output


def test_the_list_names_every_corpus():
    lines = run("--list").splitlines()
    assert len(lines) == 1 + len(SOURCES)
    assert any(line.startswith("aria-midi") and "CC BY-NC-SA 4.0" in line for line in lines)


def test_corpora_under_names_of_their_own_or_given(corpus: Path, tmp_path: Path):
    (tmp_path / "maestro-copy").mkdir()
    write_midi(tmp_path / "maestro-copy" / "a.mid", invented_notes(5))
    out = tmp_path / "out"
    given = (f"rolls={corpus}", f"ecompetition={tmp_path / 'maestro-copy'}", "-o", out, "--workers", 1)
    lines = run(*given).splitlines()
    assert [line.split(":")[0] for line in lines] == [str(out / "rolls"), str(out / "ecompetition")]
    assert "3 pieces" in lines[0]
    assert "1 too short; 1 unreadable" in lines[0]
    assert run(*given).splitlines() == lines  # nothing left to do
    assert read_prepared(out / "ecompetition").source.pedal == "continuous"


def test_what_is_held_out_can_be_a_file_a_folder_or_a_list(corpus: Path, tmp_path: Path):
    (tmp_path / "held.txt").write_text(f"{corpus / 'b.midi'}\n\nmore={corpus / 'Années'}\n")
    out = tmp_path / "out"
    line = run(corpus, "--kind", "performance", "--held-out", tmp_path / "held.txt", "-o", out, "--workers", 1)
    assert "1 pieces" in line
    assert "2 held out" in line
    taken = [line["file"] for line in read_manifest(out / "corpus") if "left_out" not in line]
    assert taken == ["c.mid"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name the folder or tar"),
        (["{}/nothing", "--kind", "score"], "no such folder"),
        (["{}/corpus"], r"did you mean '.*'\? .* say the --kind"),
        (["rolls={}/corpus", "--validation", "1"], "--validation 1.0: give a share"),
        (["rolls={}/corpus", "--held-out", "{}/none.txt"], "cannot be read as a list"),
        (["rolls={}/corpus", "rolls={}/corpus"], "give each once"),
        (["rolls={}/corpus/notes.txt"], "not a tar that can be read"),
        (["rolls={}/corpus", "-o", "gs://bucket/prepared"], "gs://bucket/prepared: only Beam writes there"),
    ],
)
def test_mistakes_are_errors_of_one_line(words: list[str], message: str, corpus: Path, tmp_path: Path):
    with pytest.raises(PianistError, match=message) as caught:
        run("-o", tmp_path / "out", *(word.format(tmp_path) for word in words))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
