"""Ten public-domain tunes with their chords, and who plays them: what `ensembles.py` makes scores of.

A tune is a bar to a line in the notation of `pieces.py`, with a chord or two for each bar.
"""

from dataclasses import dataclass

from examples.notation import UNITS_PER_CROTCHET


@dataclass(frozen=True)
class Tune:
    """A melody with its chords, a bar a line; `fifths` sharps (below 0: flats), `tempo` in crotchets a minute."""

    title: str
    composer: str
    fifths: int
    time: tuple[int, int]
    tempo: int
    melody: str
    chords: str

    @property
    def units(self) -> int:
        """Semiquavers of a bar."""
        return self.time[0] * UNITS_PER_CROTCHET * 4 // self.time[1]

    @property
    def bars(self) -> list[tuple[str, tuple[str, ...]]]:
        """The tune and the chords of each bar."""
        lines = zip(self.melody.strip().splitlines(), self.chords.strip().splitlines(), strict=True)
        return [(tune, tuple(chords.split())) for tune, chords in lines]


@dataclass(frozen=True)
class Player:
    """A part: what it is called, what it sounds as (MusicXML) and which MIDI program (from 1), and what it plays.

    `plays` is tune, tone (the `degree`-th of the chord), root or piano; `shift` in octaves, `late` in bars.
    """

    name: str
    sound: str
    program: int
    plays: str = "tune"
    shift: int = 0
    late: int = 0
    degree: int = 1


@dataclass(frozen=True)
class Score:
    """A tune and who plays it; `symbols`: the chords stand above the first part and are played by nobody."""

    name: str
    tune: Tune
    players: tuple[Player, ...]
    symbols: bool = False


LULLABY = Tune(
    "Wiegenlied",
    "Johannes Brahms",
    -1,
    (3, 4),
    76,
    """
r:2 A4:8 A4
C5:4. A4:8 A4:4
C5:2 A4:8 C5
F5:4 E5 D5
D5:4 C5 G4:8 A4
Bb4:4 G4 G4:8 A4
Bb4:2 G4:8 Bb4
E5:8 D5 C5:4 E5
F5:2.
""",
    "F\nF\nF\nF\nC7\nC7\nC7\nC7\nF",
)
ODE = Tune(
    "An die Freude",
    "Ludwig van Beethoven",
    2,
    (4, 4),
    112,
    """
F#5:4 F#5 G5 A5
A5:4 G5 F#5 E5
D5:4 D5 E5 F#5
F#5:4. E5:8 E5:2
F#5:4 F#5 G5 A5
A5:4 G5 F#5 E5
D5:4 D5 E5 F#5
E5:4. D5:8 D5:2
""",
    "D\nA7\nD\nA\nD\nA7\nD\nA7 D",
)
GRACE = Tune(
    "New Britain",
    "traditional",
    1,
    (3, 4),
    80,
    """
r:2 D4:4
G4:2 B4:8 G4
B4:2 A4:4
G4:2 E4:4
D4:2 D4:4
G4:2 B4:8 G4
B4:2 A4:4
D5:2.
G4:2.
""",
    "G\nG\nG\nC\nG\nG\nD7\nD7\nG",
)
MOON = Tune(
    "Au clair de la lune",
    "traditional",
    0,
    (4, 4),
    96,
    """
C5:4 C5 C5 D5
E5:2 D5
C5:4 E5 D5 D5
C5:1
D5:4 D5 D5 D5
A4:2 A4
D5:4 C5 B4 A4
G4:1
""",
    "C\nC G\nC G7\nC\nG\nF\nD7\nG",
)
BROTHER = Tune(
    "Frère Jacques",
    "traditional",
    0,
    (4, 4),
    104,
    """
C5:4 D5 E5 C5
C5:4 D5 E5 C5
E5:4 F5 G5:2
E5:4 F5 G5:2
G5:8 A5 G5 F5 E5:4 C5
G5:8 A5 G5 F5 E5:4 C5
C5:4 G4 C5:2
C5:4 G4 C5:2
""",
    "C\nC\nC\nC\nC\nC\nC\nC",
)
HYMN = Tune(
    "Gott erhalte",
    "Joseph Haydn",
    1,
    (4, 4),
    88,
    """
G4:4. A4:8 B4:4 A4
C5:4 B4 A4:8 F#4 G4:4
E5:4 D5 C5 B4
A4:4 B4:8 G4 D5:2
G4:4. A4:8 B4:4 A4
C5:4 B4 A4:8 F#4 G4:4
E5:4 D5 C5 B4
A4:4 B4:8 G4 D5:2
""",
    "G D\nC D7\nC G\nD7 G\nG D\nC D7\nC G\nD7 G",
)
SLEEVES = Tune(
    "Greensleeves",
    "traditional",
    0,
    (3, 4),
    100,
    """
r:2 A4:4
C5:2 D5:4
E5:4. F5:8 E5:4
D5:2 B4:4
G4:4. A4:8 B4:4
C5:2 A4:4
A4:4. G#4:8 A4:4
B4:2 G#4:4
E4:2.
""",
    "Am\nAm\nAm\nG\nG\nAm\nAm\nE\nE",
)
HUNDREDTH = Tune(
    "Old Hundredth",
    "Loys Bourgeois",
    1,
    (4, 4),
    72,
    """
G4:4 G4 F#4 E4
D4:4 G4 A4 B4
B4:4 B4 B4 A4
G4:4 C5 B4 A4
G4:4 A4 B4 A4
G4:4 E4 F#4 G4
D5:4 B4 G4 A4
C5:4 B4 A4 G4
""",
    "G D\nG D\nG D\nG D\nG D\nC D\nG D\nC G",
)
MINUET = Tune(
    "Menuett",
    "Christian Petzold",
    1,
    (3, 4),
    116,
    """
D5:4 G4:8 A4 B4 C5
D5:4 G4 G4
E5:4 C5:8 D5 E5 F#5
G5:4 G4 G4
C5:4 D5:8 C5 B4 A4
B4:4 C5:8 B4 A4 G4
F#4:4 G4:8 A4 B4 G4
A4:2.
""",
    "G\nG\nC\nG\nD7\nG\nD7\nD",
)
SAINTS = Tune(
    "When the Saints",
    "traditional",
    -1,
    (4, 4),
    168,
    """
r:4 F4 A4 Bb4
C5:1
r:4 F4 A4 Bb4
C5:1
r:4 F4 A4 Bb4
C5:2 A4
F4:2 A4
G4:1
""",
    "F\nF\nF\nF\nF\nF\nF\nC7",
)

PIANO = Player("Piano", "keyboard.piano.grand", 1, "piano")
VIOLIN = Player("Violin", "strings.violin", 41)
CELLO = Player("Violoncello", "strings.cello", 43, "tune", -1)
SCORES = (
    Score("song", LULLABY, (Player("Voice", "voice.soprano", 53), PIANO)),
    Score("violin-piano", ODE, (VIOLIN, PIANO)),
    Score("cello-piano", GRACE, (CELLO, PIANO)),
    Score("four-hands", MOON, (
        Player("Primo", "keyboard.piano.grand", 1, "tune", 1), Player("Secondo", "keyboard.piano.grand", 1, "piano"),
    )),
    Score("two-pianos", BROTHER, (
        Player("Piano I", "keyboard.piano.grand", 1, "duet"),
        Player("Piano II", "keyboard.piano.grand", 1, "duet", -1, 2),
    )),
    Score("quartet", HYMN, (
        Player("Violin I", "strings.violin", 41), Player("Violin II", "strings.violin", 41, "tone", 0, 0, 2),
        Player("Viola", "strings.viola", 42, "tone", -1, 0, 1),
        Player("Violoncello", "strings.cello", 43, "root", -1),
    )),
    Score("trio", SLEEVES, (VIOLIN, Player("Violoncello", "strings.cello", 43, "tone", -1, 0, 2), PIANO)),
    Score("choir", HUNDREDTH, (
        Player("Soprano", "voice.soprano", 53), Player("Alto", "voice.alto", 53, "tone", 0, 0, 2),
        Player("Tenor", "voice.tenor", 53, "tone", -1, 0, 1), Player("Bass", "voice.bass", 53, "root", -1), PIANO,
    )),
    Score("orchestra", MINUET, (
        Player("Flute", "wind.flutes.flute", 74, "tune", 1), Player("Oboe", "wind.reed.oboe", 69),
        Player("Clarinet", "wind.reed.clarinet", 72, "tone", 0, 0, 1),
        Player("Bassoon", "wind.reed.bassoon", 71, "root", -1),
        Player("Horn", "brass.french-horn", 61, "tone", -1, 0, 2), Player("Violin I", "strings.violin", 41),
        Player("Violin II", "strings.violin", 41, "tone", 0, 0, 2), Player("Viola", "strings.viola", 42, "tone", -1),
        Player("Violoncello", "strings.cello", 43, "root", -1),
        Player("Double Bass", "strings.contrabass", 44, "root", -2),
    )),
    Score("lead-sheet", SAINTS, (Player("Lead", "wind.reed.saxophone.tenor", 67),), symbols=True),
)  # fmt: skip
