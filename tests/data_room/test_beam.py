"""The same per-file function on Apache Beam: what comes out is what comes out locally. Needs the extra `beam`."""

from pathlib import Path

import fsspec
import pytest

from pianist_jax.data import beam as beam_room
from pianist_jax.data import shards
from pianist_jax.data.prepare import Corpus, prepare
from pianist_jax.data.shards import PreparedError, read_prepared, read_records
from pianist_jax.data.sources import own_source
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_midi
from tests.data_room.conftest import invented_notes


@pytest.fixture
def corpora(corpus: Path, tmp_path: Path) -> list[Corpus]:
    """Two corpora; the second holds a double, and a piece that is held out."""
    other = tmp_path / "other"
    other.mkdir()
    for number in range(4):
        write_midi(other / f"{number}.mid", invented_notes(20 + number, 300))
    (other / "again.mid").write_bytes((other / "1.mid").read_bytes())
    return [Corpus(own_source(each.name, "performance"), str(each)) for each in (corpus, other)]


@pytest.fixture
def held_out(tmp_path: Path) -> list[Corpus]:
    (tmp_path / "held").mkdir()
    write_midi(tmp_path / "held" / "piece.mid", invented_notes(22, 300))
    return [Corpus(own_source("held", "score"), str(tmp_path / "held"))]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_decisions_do_not_depend_on_the_order_files_arrive_in(
    corpora: list[Corpus], held_out: list[Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Every step of the pipeline but Beam itself, by hand."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 6000)
    prepare(corpora, tmp_path / "out", held_out=held_out, validation=0.3, workers=1)
    listed = beam_room.list_corpora(corpora, tmp_path / "scratch", 0.3)
    held = beam_room.read_held_out(beam_room.list_corpora(held_out, tmp_path / "scratch", 0.0), listed)
    numbered = enumerate((each, item) for each in listed for item in each.items)
    jobs = [beam_room.CorpusFile(number, each.source, each.root, item) for number, (each, item) in numbered]
    entries = [beam_room.read_entry(job, held) for job in jobs][::-1]
    names = [job.source.name for job in jobs]
    run = beam_room.run_digest(listed, held)
    decided = beam_room.decide(map(beam_room.lighten, entries), names, [each.source for each in listed], run)
    found: dict[str, list] = {}
    for path, record in (sent for entry in entries for sent in beam_room.send(entry, decided)):
        found.setdefault(path, []).append(record)
    for path, records in found.items():
        beam_room.write_sent((path, records), str(tmp_path / "beam"))
    beam_room.write_texts(decided, str(tmp_path / "beam"), len(found))
    assert contents(tmp_path / "beam") == contents(tmp_path / "out")
    assert len(found) > 2


def test_what_cannot_run_is_an_error(corpora: list[Corpus], tmp_path: Path):
    try:
        import apache_beam  # noqa: F401
    except ImportError:
        with pytest.raises(PianistError, match=r"pip install 'pianist_jax\[beam\]'"):
            beam_room.prepare_on_beam(corpora, str(tmp_path / "beam"))
    else:
        with pytest.raises(PianistError, match="unknown runner 'Beam'"):
            beam_room.prepare_on_beam(corpora, str(tmp_path / "beam"), runner="Beam")
    assert not (tmp_path / "beam").exists()


@pytest.mark.filterwarnings("ignore")
def test_direct_runner(corpora: list[Corpus], held_out: list[Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")
    monkeypatch.setattr(shards, "SHARD_BYTES", 6000)
    prepare(corpora, tmp_path / "out", held_out=held_out, validation=0.3, workers=1)
    beam_room.prepare_on_beam(corpora, str(tmp_path / "beam"), held_out, 0.3)
    assert contents(tmp_path / "beam") == contents(tmp_path / "out")
    assert len(list(read_records(read_prepared(tmp_path / "beam" / "other")))) > 0
    with pytest.raises(PreparedError, match="exists already"):
        beam_room.prepare_on_beam(corpora, str(tmp_path / "beam"), held_out, 0.3)


@pytest.mark.filterwarnings("ignore")
def test_addresses(corpora: list[Corpus], tmp_path: Path):
    """From and to a store that is no folder, as gs:// is none."""
    pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")
    system = fsspec.filesystem("memory")
    for path in Path(corpora[1].root).iterdir():
        system.pipe(f"/beam-test/in/{path.name}", path.read_bytes())
    prepare(corpora[1:], tmp_path / "out", workers=1)
    beam_room.prepare_on_beam([Corpus(corpora[1].source, "memory://beam-test/in")], "memory://beam-test/out")
    for name, content in contents(tmp_path / "out").items():
        if "description" not in name:  # it names the run, and that by the bytes of the files
            assert system.cat(f"/beam-test/out/{name}") == content
