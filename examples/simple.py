"""Small pieces such as people try first: songs, a hymn, scales, chords; in the notation of `pieces.py`.

Tunes are traditional or long in the public domain; settings, études and ballad were written for this project. All tell
their tempo and, but for the hymn, no dynamics.
"""

from examples.pieces import Piece

TRADITIONAL, OWN = "traditional", "written for this project"


def _piece(name: str, title: str, tempo: int, right: str, left: str = "", **more: object) -> Piece:
    """A piece in C and 4/4 unless it is said; without a left hand that hand rests."""
    told = {"composer": TRADITIONAL, "key": "C", "time": (4, 4), **more}
    if not left.strip():
        rest = {(4, 4): "r:1", (3, 4): "r:2.", (6, 8): "r:2."}[told["time"]]  # type: ignore[index]
        left = "\n".join([rest] * len([line for line in right.split("\n") if line.strip()]))
    return Piece(name=name, title=title, tempo=tempo, right=right, left=left, **told)  # type: ignore[arg-type]


_TWINKLE = """
C4:4 C4 G4 G4
A4:4 A4 G4:2
F4:4 F4 E4 E4
D4:4 D4 C4:2
G4:4 G4 F4 F4
E4:4 E4 D4:2
G4:4 G4 F4 F4
E4:4 E4 D4:2
C4:4 C4 G4 G4
A4:4 A4 G4:2
F4:4 F4 E4 E4
D4:4 D4 C4:2
"""
_TWINKLE_LEFT = """
C3:2 E3
F3:2 E3
D3:2 C3
G2:2 C3
E3:2 D3
C3:2 G2
E3:2 D3
C3:2 G2
C3:2 E3
F3:2 E3
D3:2 C3
G2:2 C3
"""
_ODE = """
E4:4 E4 F4 G4
G4:4 F4 E4 D4
C4:4 C4 D4 E4
E4:4. D4:8 D4:2
E4:4 E4 F4 G4
G4:4 F4 E4 D4
C4:4 C4 D4 E4
D4:4. C4:8 C4:2
D4:4 D4 E4 C4
D4:4 E4:8 F4 E4:4 C4
D4:4 E4:8 F4 E4:4 D4
C4:4 D4 G3:2
E4:4 E4 F4 G4
G4:4 F4 E4 D4
C4:4 C4 D4 E4
D4:4. C4:8 C4:2
"""
_ODE_LEFT = """
C3:1
G2:1
A2:2 F2
G2:1
C3:1
G2:1
A2:2 F2
G2:2 C3
G2:1
G2:2 C3
G2:2 C3
A2:4 F2 G2:2
C3:1
G2:1
A2:2 F2
G2:2 C3
"""
_FRERE = """
C4:4 D4 E4 C4
C4:4 D4 E4 C4
E4:4 F4 G4:2
E4:4 F4 G4:2
G4:8 A4 G4 F4 E4:4 C4
G4:8 A4 G4 F4 E4:4 C4
C4:4 G3 C4:2
C4:4 G3 C4:2
"""
_SAINTS = """
r:4 C4 E4 F4
G4:1
r:4 C4 E4 F4
G4:1
r:4 C4 E4 F4
G4:2 E4
C4:2 E4
D4:1
r:4 E4 E4 D4
C4:2. C4:4
E4:2 G4
G4:4 F4:2.
r:4 F4 E4 F4
G4:2 E4
C4:2 D4
C4:1
"""
_OLD_HUNDREDTH = """
E4+G4:2 E4+G4:4 D4+F#4
B3+E4:4 D4 E4+G4 F#4+A4
G4+B4:2 G4+B4:4 G4+B4
G4+B4:4 F#4+A4 E4+G4 E4+C5
D4+B4:4 F#4+A4 D4+G4:2
D4+A4:4 G4+B4 F#4+A4 E4+G4
C4+E4:4 D4+F#4 B3+G4:2
G4+D5:4 G4+B4 E4+G4 F#4+A4
E4+C5:4 G4+B4 F#4+A4:2
D4+G4:1
"""
_OLD_HUNDREDTH_LEFT = """
G2+B3:2 E3+B3:4 B2+B3
E3+G3:4 F#3+A3 E3+B3 D3+D4
G3+D4:2 G3+D4:4 E3+D4
G3+D4:4 D3+D4 E3+B3 C3+G3
D3+G3:4 D3+C4 G2+B3:2
F#3+D4:4 G3+D4 D3+D4 E3+B3
A2+G3:4 D3+A3 G2+D3:2
B2+D4:4 G3+D4 C3+G3 D3+D4
A3+E4:4 D3+D4 D3+C4:2
G2+B3:1
"""
_WALTZ = """
E5:4 G5 E5
C5:2 D5:4
E5:4 D5 C5
B4:2.
D5:4 F5 D5
B4:2 C5:4
D5:4 C5 B4
C5:2.
E5:4 G5 E5
C5:2 E5:4
A5:4 G5 F5
D5:2.
F5:4 A5 F5
E5:2 C5:4
D5:4 E5 B4
C5:2.
"""
_WALTZ_LEFT = """
C3:4 E3+G3 E3+G3
C3:4 E3+G3 E3+G3
C3:4 E3+G3 E3+G3
G2:4 D3+F3 D3+F3
G2:4 D3+F3 D3+F3
G2:4 D3+F3 D3+F3
G2:4 F3+B3 F3+B3
C3:4 E3+G3 E3+G3
C3:4 E3+G3 E3+G3
A2:4 C3+E3 C3+E3
F2:4 A2+C3 A2+C3
G2:4 B2+D3 B2+D3
D3:4 F3+A3 F3+A3
C3:4 E3+G3 E3+G3
G2:4 D3+F3 D3+F3
C3:2.
"""


def _bars(chords: str, pattern: tuple[int, ...], value: int) -> str:
    """A bar for each line of chords: its notes (from the lowest) in the order of a pattern, all of one note value."""
    lines = [line.split() for line in chords.strip().split("\n")]
    return "\n".join(f"{line[pattern[0]]}:{value} " + " ".join(line[k] for k in pattern[1:]) for line in lines)


_ALBERTI_CHORDS = """
C3 E3 G3
B2 D3 G3
C3 E3 G3
A2 D3 F3
C3 E3 A3
D3 F3 A3
B2 F3 G3
C3 E3 G3
"""
_ALBERTI_MELODY = """
C5:2 E5:4 G5
B4:4. C5:8 D5:2
E5:4 G5 C6 G5
F5:4. E5:8 D5:2
E5:2 A5:4 C6
A5:4 G5 F5 D5
B4:4 D5 G5 F5
E5:4 D5 C5:2
"""
_SCALE = """
C4:4 D4 E4 F4
G4:4 A4 B4 C5
D5:4 E5 F5 G5
A5:4 B5 C6:2
C6:4 B5 A5 G5
F5:4 E5 D5 C5
B4:4 A4 G4 F4
E4:4 D4 C4:2
"""
_REPEATED = "\n".join(f"{pitch}:8 " + " ".join([pitch] * 7) for pitch in ("G4", "A4", "B4", "C5", "B4", "A4", "G4"))
_WHOLE = "C4+E4+G4:1\nA3+C4+F4:1\nB3+D4+G4:1\nC4+E4+A4:1\nA3+D4+F4:1\nG3+C4+E4:1\nG3+B3+F4:1\nG3+C4+E4:1\n"
_WHOLE_LEFT = "C3:1\nF2:1\nG2:1\nA2:1\nD3:1\nG2:1\nG2:1\nC2+C3:1\n"
_BALLAD = """
E5:4. D5:8 C5:4 G4
A4:2 C5:4 B4
A4:4. G4:8 F4:4 A4
G4:1
E5:4. D5:8 C5:4 G4
A4:2 C5:4 E5
D5:4. C5:8 B4:4 D5
C5:1
"""
_BALLAD_CHORDS = """
C3 G3 C4 E4
A2 E3 A3 C4
F2 C3 F3 A3
G2 D3 G3 B3
C3 G3 C4 E4
A2 E3 A3 C4
G2 D3 G3 B3
C3 G3 C4 E4
"""
_BALLAD_LEFT = _bars(_BALLAD_CHORDS, (0, 1, 2, 3, 2, 1, 2, 1), 8)
_COMPING = """
r:8 E4+G4+B4:8 E4+G4+B4:4 r:8 E4+G4+B4:8~ E4+G4+B4:4
r:8 E4+G4+C5:8 E4+G4+C5:4 r:8 E4+G4+C5:8~ E4+G4+C5:4
r:8 F4+A4+C5:8 F4+A4+C5:4 r:8 F4+A4+C5:8~ F4+A4+C5:4
r:8 F4+G4+B4:8 F4+G4+B4:4 r:8 F4+G4+B4:8 F4+G4+D5:4
r:8 E4+G4+B4:8 E4+G4+B4:4 r:8 E4+G4+B4:8~ E4+G4+B4:4
r:8 E4+G4+C5:8 E4+G4+C5:4 r:8 E4+G4+C5:8~ E4+G4+C5:4
r:8 F4+A4+C5:8 F4+A4+C5:4 r:8 F4+G4+B4:8~ F4+G4+B4:4
E4+G4+C5:1
"""
_COMPING_LEFT = """
C3:4. C3:8 G2:2
A2:4. A2:8 E3:2
D3:4. D3:8 A2:2
G2:4. G2:8 B2:2
C3:4. C3:8 G2:2
A2:4. A2:8 E3:2
D3:4. D3:8 G2:2
C2+C3:1
"""
_LULLABY = """
E5:8 D5 C5 G4:4.
A4:8 B4 C5 G4:4.
F5:8 E5 D5 B4:4.
C5:8 D5 E5 D5:4.
E5:8 D5 C5 G4:4.
A4:8 B4 C5 E5:4.
D5:8 C5 B4 D5:4.
C5:2.
"""
_LULLABY_LEFT = """
C3:8 G3 E4 C3:8 G3 E4
F2:8 C3 A3 C3:8 G3 E4
G2:8 D3 B3 G2:8 D3 B3
C3:8 G3 E4 G2:8 D3 B3
C3:8 G3 E4 C3:8 G3 E4
F2:8 C3 A3 A2:8 E3 C4
G2:8 D3 B3 G2:8 F3 B3
C3:2.
"""

SIMPLE = (
    _piece("twinkle-melody", "Twinkle, twinkle, one hand", 100, _TWINKLE),
    _piece("twinkle", "Twinkle, twinkle, two hands", 100, _TWINKLE, _TWINKLE_LEFT),
    _piece("ode-melody", "Ode to Joy, one hand", 120, _ODE, composer="Ludwig van Beethoven (1770–1827)"),
    _piece("ode", "Ode to Joy, two hands", 120, _ODE, _ODE_LEFT, composer="Ludwig van Beethoven (1770–1827)"),
    _piece("frere-jacques", "Frère Jacques, one hand", 108, _FRERE),
    _piece("saints-rests-first", "When the saints, beginning with a rest", 138, _SAINTS),
    _piece(
        "old-hundredth", "Old Hundredth, four voices", 72, _OLD_HUNDREDTH, _OLD_HUNDREDTH_LEFT, key="G",
        dynamics=((1, "mf"),), composer="Genevan Psalter (1551)",
    ),
    _piece("waltz", "Waltz", 150, _WALTZ, _WALTZ_LEFT, time=(3, 4), composer=OWN),
    _piece(
        "alberti", "Alberti bass", 112, _ALBERTI_MELODY, _bars(_ALBERTI_CHORDS, (0, 2, 1, 2, 0, 2, 1, 2), 8),
        composer=OWN,
    ),
    _piece("scale", "Scale in crotchets", 80, _SCALE),
    _piece("repeated-notes", "Repeated notes", 104, _REPEATED + "\nG4:1", composer=OWN),
    _piece("whole-note-chords", "Chords in semibreves", 60, _WHOLE, _WHOLE_LEFT, composer=OWN),
    _piece("ballad-66", "Ballad, slow", 66, _BALLAD, _BALLAD_LEFT, composer=OWN),
    _piece("ballad-132", "Ballad, fast", 132, _BALLAD, _BALLAD_LEFT, composer=OWN),
    _piece("comping", "Chords of a pop song", 92, _COMPING, _COMPING_LEFT, composer=OWN),
    _piece("lullaby", "Lullaby in 6/8", 90, _LULLABY, _LULLABY_LEFT, time=(6, 8), composer=OWN),
)  # fmt: skip
