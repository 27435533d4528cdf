"""The music itself: three public-domain pieces, complete, written down for this project.

A bar is one line. In it stand notes such as `F#4:8.` (F sharp above middle C, a dotted quaver), chords
(`C3+G3`), rests (`r`) and gaps in a voice (`s`). A length holds until the next one; `~` ties a note to the
next of its pitch; `^` adds a sign. ` / ` parts the voices of one hand, upper voice first. `#` and `b` stand
on every altered note, whatever the key.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """One piece: `right` and `left` hold a line for each bar.

    `tempo` counts crotchets a minute; `repeats` are (first bar, last bar), played twice. `clefs` changes the
    right hand's clef at the start of a bar (G at first); `dynamics` sets a mark at the start of a bar, and
    `crescendo` rises from the start of its first bar to the end of its last, to the level of `crescendo_to`.
    """

    name: str
    title: str
    composer: str
    key: str
    time: tuple[int, int]
    tempo: int
    right: str
    left: str
    heading: str = ""
    repeats: tuple[tuple[int, int], ...] = ()
    clefs: tuple[tuple[int, str], ...] = ()
    dynamics: tuple[tuple[int, str], ...] = ()
    crescendo: tuple[int, int] | None = None
    crescendo_to: str = "mf"


# Bach writes one broken five-note chord a bar, twice: bass, tenor, and three notes for the right hand.
_PRELUDE_CHORDS = """
C4  E4  G4  C5  E5
C4  D4  A4  D5  F5
B3  D4  G4  D5  F5
C4  E4  G4  C5  E5
C4  E4  A4  E5  A5
C4  D4  F#4 A4  D5
B3  D4  G4  D5  G5
B3  C4  E4  G4  C5
A3  C4  E4  G4  C5
D3  A3  D4  F#4 C5
G3  B3  D4  G4  B4
G3  Bb3 E4  G4  C#5
F3  A3  D4  A4  D5
F3  Ab3 D4  F4  B4
E3  G3  C4  G4  C5
E3  F3  A3  C4  F4
D3  F3  A3  C4  F4
G2  D3  G3  B3  F4
C3  E3  G3  C4  E4
C3  G3  Bb3 C4  E4
F2  F3  A3  C4  E4
F#2 C3  A3  C4  Eb4
Ab2 F3  B3  C4  D4
G2  F3  G3  B3  D4
G2  E3  G3  C4  E4
G2  D3  G3  C4  F4
G2  D3  G3  B3  F4
G2  Eb3 A3  C4  F#4
G2  E3  G3  C4  G4
G2  D3  G3  C4  F4
G2  D3  G3  B3  F4
C2  C3  G3  Bb3 E4
"""
_PRELUDE_END_RIGHT = """
r:8 F3:16 A3 C4 F4 C4 A3 C4 A3 F3 A3 F3 D3 F3 D3
r:8 G4:16 B4 D5 F5 D5 B4 D5 B4 G4 B4 D4 F4 E4 D4
E4+G4+C5:1^fermata
"""
_PRELUDE_END_LEFT = """
r:16 C3:8.~ C3:4~ C3:2 / C2:1
r:16 B2:8.~ B2:4~ B2:2 / C2:1
C2+C3:1^fermata
"""


def _prelude_right() -> str:
    halves = [
        f"r:8 {c}:16 {d} {e} {c} {d} {e}"
        for _, _, c, d, e in (line.split() for line in _PRELUDE_CHORDS.split("\n")[1:-1])
    ]
    return "\n".join(f"{half} {half}" for half in halves) + _PRELUDE_END_RIGHT


def _prelude_left() -> str:
    chords = (line.split() for line in _PRELUDE_CHORDS.split("\n")[1:-1])
    tenors_and_basses = [(f"r:16 {tenor}:8.~ {tenor}:4", f"{bass}:2 {bass}") for bass, tenor, *_ in chords]
    return "\n".join(f"{tenor} {tenor} / {bass}" for tenor, bass in tenors_and_basses) + _PRELUDE_END_LEFT


PRELUDE = Piece(
    name="bach-prelude-bwv846",
    title="Prelude in C major, BWV 846",
    composer="Johann Sebastian Bach (1685–1750)",
    key="C",
    time=(4, 4),
    tempo=75,
    right=_prelude_right(),
    left=_prelude_left(),
)

MINUET = Piece(
    name="petzold-minuet-bwvanh114",
    title="Minuet in G major, BWV Anh. 114",
    composer="Christian Petzold (1677–1733)",
    key="G",
    time=(3, 4),
    tempo=120,
    repeats=((1, 16), (17, 32)),
    right="""
D5:4 G4:8 A4 B4 C5
D5:4 G4 G4
E5:4 C5:8^mordent D5 E5 F#5
G5:4 G4 G4
C5:4^mordent D5:8 C5 B4 A4
B4:4 C5:8 B4 A4 G4
F#4:4 G4:8 A4 B4 G4
A4:2.
D5:4 G4:8 A4 B4 C5
D5:4 G4 G4
E5:4 C5:8^mordent D5 E5 F#5
G5:4 G4 G4
C5:4^mordent D5:8 C5 B4 A4
B4:4 C5:8 B4 A4 G4
A4:4 B4:8 A4 G4 F#4
G4:2.
B5:4 G5:8 A5 B5 G5
A5:4 D5:8 E5 F#5 D5
G5:4 E5:8 F#5 G5 D5
C#5:4 B4:8 C#5 A4:4
A4:8 B4 C#5 D5 E5 F#5
G5:4 F#5 E5
F#5:4 A4 C#5
D5:2.
D5:4 G4:8 F#4 G4:4
E5:4 G4:8 F#4 G4:4
D5:4 C5 B4
A4:8 G4 F#4 G4 A4:4
D4:8 E4 F#4 G4 A4 B4
C5:4 B4^inverted-mordent A4
B4:8 D5 G4:4 F#4
B3+D4+G4:2.
""",
    left="""
G3+B3+D4:2 A3:4
B3:2.
C4:2.
B3:2.
A3:2.
G3:2.
D4:4 B3 G3
D4:4 D3:8 C4 B3 A3
B3:2 A3:4
G3:4 B3 G3
C4:2.
B3:4 C4:8 B3 A3 G3
A3:2 F#3:4
G3:2 B3:4
C4:4 D4 D3
G3:2 G2:4
G3:2.
F#3:2.
E3:4 G3 E3
A3:2 A2:4
A3:2.
B3:4 D4 C#4
D4:4 F#3 A3
D4:4 D3 C4
r:4 D4:2 / B3:2 B3:4
r:4 E4:2 / C4:2 C4:4
B3:4 A3 G3
D4:2 r:4
r:2 F#3:4 / D3:2.
E3:4 G3 F#3
G3:4 B2 D3
G3:4 D3 G2
""",
)

# Bars 9-12 are bars 5-8 again, pianissimo.
_CHOPIN_RIGHT_5_TO_8 = """
Eb4+G4+Eb5:4 Eb4+Ab4+Eb5 D4+D5 D4+G4+D5 / s:2 Ab4:8. F#4:16 s:4
C4+G4+C5:4 C4+D4+F#4+D5 D4+G4+B4:8. C4+A4:16 B3+D4+G4:4
C4+G4+C5:4 Ab3+C4+Ab4 G4:8. F4:16 G3+C4+Eb4:4 / s:2 G3+D4:4 s
Eb3+Ab3+C4+Eb4:4 F3+Ab3+Db4+F4 Eb4:8. D4:16 Eb3+G3+C4:4 / s:2 F3+G3+B3:4 s
"""
_CHOPIN_LEFT_5_TO_8 = """
C2+C3:4 C3+C4 B2+B3 Bb2+Bb3
A2+A3:4 Ab2+Ab3 G2+G3 F2+F3
Eb2+Eb3:4 F2+F3 B1+B2 C2+C3
Ab1+Ab2:4 Db1+Db2 G1+G2 C1+C2
"""

LARGO = Piece(
    name="chopin-prelude-op28-20",
    title="Prelude in C minor, op. 28 no. 20",
    composer="Frédéric Chopin (1810–1849)",
    key="Cm",
    time=(4, 4),
    tempo=40,
    heading="Largo",
    clefs=((1, "F"), (4, "G"), (8, "F"), (9, "G"), (12, "F"), (13, "G")),
    dynamics=((1, "ff"), (5, "p"), (9, "pp")),
    crescendo=(11, 12),
    right="""
G3+C4+Eb4+G4:4 Ab3+C4+Eb4+Ab4 Eb4+G4:8. D4+F4:16 Eb3+G3+C4+Eb4:4 / s:2 G3+B3:4 s
Eb3+Ab3+C4+Eb4:4 F3+Ab3+Db4+F4 C4+Eb4:8. Bb3+Db4:16 C3+Eb3+Ab3+C4:4 / s:2 Db3+Eb3+G3:4 s
D3+F3+B3+D4:4 E3+G3+Bb3+C4+E4 G4:8. F4:16 G3+C4+Eb4:4 / s:2 Ab3+C4:4 s
F#3+C4+D4:4 G3+B3+D4+G4 B4:8. A4:16 B3+D4+G4:4 / s:2 C4+D4+F#4:4 s
"""
    + _CHOPIN_RIGHT_5_TO_8
    + _CHOPIN_RIGHT_5_TO_8
    + "C4+Eb4+G4+C5:1^fermata",
    left="""
C2+C3:4 F1+F2 G1+G2 C2+G2+C3
Ab1+Ab2:4 Db1+Db2 Eb1+Eb2 Ab1+Ab2
G1+G2:4 C1+C2 F1+F2 C2+C3
D2+A2+D3:4 G1+G2 D1+D2 G1+G2
"""
    + _CHOPIN_LEFT_5_TO_8
    + _CHOPIN_LEFT_5_TO_8
    + "C3+G3:1^fermata",
)

PIECES = (PRELUDE, MINUET, LARGO)
