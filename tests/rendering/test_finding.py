"""Which scores are meant, and where their renderings go."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from pianist_jax.errors import PianistError
from pianist_jax.rendering.finding import find_scores, share_of, shelf

XML = b'<?xml version="1.0"?>\n<score-partwise version="4.0">'


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def stems(*arguments):
    jobs, errors = find_scores(arguments)
    assert not errors
    return {str(job.score): str(job.stem) for job in jobs}


def test_files_keep_their_name(here):
    touch("a/one.mid", "b/Op. 28 No. 20.midi")
    assert stems("a/one.mid", "b/Op. 28 No. 20.midi", "a/missing.mid") == {
        "a/one.mid": "one",
        "b/Op. 28 No. 20.midi": "Op. 28 No. 20",
        "a/missing.mid": "missing",
    }


def test_folders_keep_the_paths_below_them(here):
    touch("s/one.mid", "s/deep/two.MIDI", "s/deep/er/one.mid", "s/notes.txt", "s/x.json")
    touch("s/one.performance.mid", "s/one.daw.mid", "s/.hidden.mid", "s/.git/three.mid", "s/folder.mid/four.mid")
    assert stems("s") == {
        "s/one.mid": "one",
        "s/deep/two.MIDI": "deep/two",
        "s/deep/er/one.mid": "deep/er/one",
        "s/folder.mid/four.mid": "folder.mid/four",
    }
    assert stems("s/one.performance.mid", ".") == {
        "s/one.performance.mid": "one.performance",
        **{path: "s/" + stem for path, stem in stems("s").items()},
    }


def test_same_names_from_different_folders_are_told_apart(here):
    touch("x/a/1.mid", "x/b/1.mid", "x/c/2.mid", "y/a/1.mid", "y/1.mid", "y/1.midi", "y/2.mid")
    assert stems("x/a/1.mid", "x/b/1.mid", "x/c/2.mid") == {
        "x/a/1.mid": "a/1",
        "x/b/1.mid": "b/1",
        "x/c/2.mid": "2",
    }
    assert stems("x", "y") == {
        "x/a/1.mid": "x/a/1",
        "x/b/1.mid": "b/1",
        "x/c/2.mid": "c/2",
        "y/a/1.mid": "y/a/1",
        "y/1.mid": "1",
        "y/2.mid": "2",
    }
    assert stems("y/1.mid", "y/1.midi") == {"y/1.mid": "1.mid", "y/1.midi": "1.midi"}


def test_paths_that_meet_again_are_told_apart(here):
    """Once the two c.mid are called a/c and b/c, a/c meets the one that is called so already."""
    touch("p/a/c.mid", "p/b/c.mid", "q/a/c.mid", "q/a/d.mid")
    found = stems("p/a/c.mid", "p/b/c.mid", "q")
    assert len(set(found.values())) == 4


def test_a_file_that_is_meant_twice_is_rendered_once(here):
    touch("s/one.mid")
    assert stems("s/one.mid", "s", "./s/../s/one.mid", str(here / "s/one.mid")) == {"s/one.mid": "one"}


def test_folders_without_scores(here):
    touch("s/readme.txt", "empty/.hidden.mid")
    jobs, errors = find_scores(["s", "empty", ""])
    assert jobs == []
    assert [str(error) for _, error in errors] == [
        "s: no scores in it; give another folder",
        "empty: no scores in it; give another folder",
        "an empty path is no score; give a file or a folder",
    ]


def test_a_list_names_files_folders_and_archives(here):
    touch("s/one.mid", "s/deep/two.mid", "three.mid")
    pack("four.tar", {"a/5.mid": b"five"})
    Path("list.txt").write_text("# mine\n\ns\n  three.mid \ngone.mid\nfour.tar\n")
    assert stems("list.txt", "three.mid") == {
        "s/deep/two.mid": "deep/two",
        "s/one.mid": "one",
        "three.mid": "three",
        "gone.mid": "gone",
        "four.tar/a/5.mid": "a/5",
    }
    Path("empty.txt").write_text("# nothing\n")
    Path("bytes.txt").write_bytes(b"\xff\xfe")
    jobs, errors = find_scores(["empty.txt", "bytes.txt", "gone.txt"])
    assert jobs == []
    assert all(str(error).startswith(f"{path}: ") and "; " in str(error) for path, error in errors)
    assert len(errors) == 3


def pack(name, contents):
    with tarfile.open(name, "w:gz" if name.endswith("gz") else "w") as archive:
        for member, content in contents.items():
            told = tarfile.TarInfo(member)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz"])
def test_an_archive_is_read_like_a_folder(here, name):
    contents = {"b/two.mid": b"2", "b/two.xml": XML, "one.mid": b"1", "b/other.xml": b"<web-app>", "readme.txt": b"no"}
    pack(name, {**contents, ".hidden.mid": b"", "one.daw.mid": b"", "../out.mid": b"", "/abs.mid": b""})
    jobs, errors = find_scores([name])
    assert not errors
    assert [(str(job.score), str(job.stem), job.size) for job in jobs] == [
        (f"{name}/b/two.xml", "b/two", len(XML)),
        (f"{name}/one.mid", "one", 1),
    ]
    assert jobs[0].twins == (Path(name) / "b/two.mid",)
    with shelf() as file_of:
        first = file_of(jobs[0])
        assert (first.name, first.read_bytes()) == ("two.xml", XML)
        assert file_of(jobs[1]).read_bytes() == b"1"
        assert not first.exists()
    assert not first.parent.exists()


def test_bad_archives(here):
    Path("x.tar").write_bytes(b"no archive")
    pack("empty.tar", {"a.txt": b""})
    pack("y.tar.gz", {f"{k}.mid": bytes(range(256)) * 40 for k in range(3)})
    Path("y.tar.gz").write_bytes(Path("y.tar.gz").read_bytes()[:-200])
    pack("z.tar", {"a.mid": b"a" * 2000})
    (job,), errors = find_scores(["z.tar", "x.tar", "empty.tar", "gone.tar", "y.tar.gz"])
    assert [str(path) for path, _ in errors] == ["x.tar", "empty.tar", "gone.tar", "y.tar.gz"]
    assert all("; " in str(error) for _, error in errors)
    pack("z.tar", {"b.mid": b"b"})  # meanwhile
    with shelf() as file_of, pytest.raises(PianistError, match=r"z\.tar/a\.mid: cannot be taken out"):
        file_of(job)


def test_names_that_some_file_systems_take_for_the_same_are_told_apart(here):
    """Case, and composed or decomposed letters; where nothing else differs they are numbered, whatever is taken."""
    touch("a/One.mid", "b/one.mid", "c/Étude.mid", "d/e\u0301tude.mid")
    names = ("a/One.mid", "b/one.mid", "c/Étude.mid", "d/e\u0301tude.mid")
    assert stems(*names) == {name: name.removesuffix(".mid") for name in names}
    touch("s/One.mid", "s/one.mid", "s/ONE-2.mid", "s/Deep/x.mid", "s/deep/x.mid")
    found = stems("s")
    assert found == {
        "s/ONE-2.mid": "ONE-2.mid",
        "s/One.mid": "One.mid",
        "s/one.mid": "one.mid-2",
        "s/Deep/x.mid": "Deep/x.mid",
        "s/deep/x.mid": "deep/x.mid-2",
    }


def test_shares_are_every_score_once(here):
    touch(*(f"s/{k}.mid" for k in range(10)))
    jobs, _ = find_scores(["s"])
    shares = [share_of(jobs, f"{k}/3") for k in (1, 2, 3)]
    assert sorted(job.stem for share in shares for job in share) == sorted(job.stem for job in jobs)
    assert [len(share) for share in shares] == [4, 3, 3]
    for wrong in ("0/3", "4/3", "1", "", "a/b", "-1/2", "1/0"):
        with pytest.raises(PianistError, match="shard"):
            share_of(jobs, wrong)


def test_ten_thousand_of_one_name_are_soon_told_apart(here):
    Path("list.txt").write_text("".join(f"corpus/{k // 100}/{k}/score.mid\n" for k in range(10_000)))
    found = stems("list.txt")
    assert len(set(found.values())) == 10_000
    assert found["corpus/0/7/score.mid"] == "0/7/score"


def test_pipes_devices_and_giants_are_not_read(here):
    """A pipe without a writer would be waited for; a sparse file costs no disk and claims gigabytes."""
    for name in ("pipe.mid", "pipe.tar", "pipe.txt"):
        os.mkfifo(name)
    Path("device.mid").symlink_to("/dev/zero")
    with Path("sparse.musicxml").open("wb") as file:
        file.truncate(1 << 40)
    files = ["pipe.mid", "device.mid", "sparse.musicxml", "a\0.mid"]
    jobs, errors = find_scores([*files, "pipe.tar", "pipe.txt", "y" * 300])
    assert [str(error).split("; ")[0] for _, error in errors] == [
        "pipe.tar: not a file", "pipe.txt: not a file", f"{'y' * 300}: cannot be looked for (File name too long)",
    ]  # fmt: skip
    said = []
    with shelf() as file_of:
        for job in jobs:
            with pytest.raises(PianistError) as caught:
                file_of(job)
            said.append(str(caught.value).split("; ")[0])
    assert said == [
        "pipe.mid: not a file", "device.mid: not a file", "sparse.musicxml: larger than 32 MiB, the limit of one score",
        "a\0.mid: cannot be read (not a valid path)",
    ]  # fmt: skip


def test_pipes_and_dead_links_in_a_folder_are_named(here):
    """As those that are given by name; of two files of one name the one that can be read is taken."""
    touch("s/good.mid")
    for name in ("s/good.musicxml", "s/pipe.mid", "s/pipe.xml"):
        os.mkfifo(name)
    Path("s/dead.mid").symlink_to("nowhere.mid")
    jobs, errors = find_scores(["s"])
    assert not errors
    said = []
    with shelf() as file_of:
        for job in jobs:
            try:
                said.append(str(file_of(job)))
            except PianistError as error:
                said.append(str(error).split("; ")[0])
    assert said == ["s/dead.mid: cannot be read (No such file or directory)", "s/good.mid", "s/pipe.xml: not a file"]


def claims(name, size, kind=tarfile.REGTYPE, opener=open):
    """An archive of one good score and a member whose header claims so many bytes, which are not there."""
    told = tarfile.TarInfo("big.mid")
    told.size, told.type = size, kind
    with opener(name, "wb") as file:
        good = tarfile.TarInfo("a.mid")
        good.size = 4
        file.write(good.tobuf() + b"good" + bytes(508) + told.tobuf(format=tarfile.GNU_FORMAT) + bytes(4096))


def test_members_that_claim_gigabytes_are_not_allocated(here):
    with tarfile.open("sparse.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        told = tarfile.TarInfo("holes.mid")
        told.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,4",
                            "GNU.sparse.size": str(8 << 30), "GNU.sparse.numblocks": "1"}  # fmt: skip
        told.size = 4
        archive.addfile(told, io.BytesIO(b"MThd"))
    (job,), errors = find_scores(["sparse.tar"])
    assert not errors
    with shelf() as file_of, pytest.raises(PianistError, match=r"sparse\.tar/holes\.mid: claims 8192 MiB"):
        file_of(job)
    claims("header.tar", 8 << 30, tarfile.XHDTYPE)  # tarfile reads such a header at once, whatever its size
    claims("bomb.tar.gz", 8 << 30, opener=gzip.open)
    jobs, errors = find_scores(["header.tar", "bomb.tar.gz"])
    assert jobs == []
    assert [str(error).split("; ")[0] for _, error in errors] == [
        "header.tar: breaks off or is damaged", "bomb.tar.gz: unpacks to more than scores do",
    ]  # fmt: skip


def test_a_member_with_a_name_longer_than_names_can_be(here):
    long_name = "n" * 300 + ".mid"
    pack("long.tar", {long_name: b"notes"})
    (job,), _ = find_scores(["long.tar"])
    with shelf() as file_of:
        assert file_of(job).read_bytes() == b"notes"
