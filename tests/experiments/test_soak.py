"""The soak: what it lays out, and what it counts as wrong."""

import tarfile
from pathlib import Path

from experiments.soak import CLAIMS, Tally, lay_out

SCORES = Path(__file__).parents[1] / "data" / "scores"


def test_scores_of_folders_and_archives_are_mixed_with_hostile_ones(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "suite.tar", "w") as archive:
        archive.add(SCORES / "minuet.krn", "deep/minuet.krn")
        archive.add(__file__, "no score.py")
    paths = lay_out(tmp_path / "scores", [SCORES, tmp_path / "suite.tar"], 9, 7)
    assert [path.name[:4] for path in paths] == [f"{number:04}" for number in range(16)]
    names = [path.name[5:] for path in paths]
    assert [name for name in names if name.startswith("minuet")] == ["minuet.krn", "minuet.mei", "minuet.krn"] * 3
    assert {*CLAIMS} < {*names}
    assert names.count("mutant.mid") == names.count("mutant.musicxml") == 1
    assert {*names[:8]} & {*CLAIMS}, "not all at the end"


def test_a_refusal_is_one_line() -> None:
    tally = Tally("batch")
    tally.refuse("a.mid", "a.mid: no notes")
    assert not tally.wrong
    tally.refuse("b.mid", "Traceback\nmost recent call last")
    tally.refuse("c.mid", "")
    assert len(tally.wrong) == 2
    assert tally.told(1.0).startswith("batch: 0 made, 3 refused, 2 wrong")


def test_memory_is_told_from_the_fourth_tenth_on() -> None:
    tally = Tally("python", memory=[(50 * n, 500.0 if n < 4 else 600.0 + n) for n in range(1, 11)])
    assert "604 to 610 MiB, +20.0 for each 1000 scores" in tally.told(1.0)
