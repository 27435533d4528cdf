"""MEI written in a line or two, for the tests of score input."""

from __future__ import annotations

from pianist_jax.score.load import Score

STAVES = (
    '<staffGrp symbol="brace"><staffDef n="1" clef.shape="G" clef.line="2" lines="5"/>'
    '<staffDef n="2" clef.shape="F" clef.line="4" lines="5"/></staffGrp>'
)


def mei(*content: str, score: str = 'meter.count="4" meter.unit="4"', staves: str = STAVES, body: str = "") -> str:
    """A document with one section of this content (measures, scoreDefs, endings), or of the whole `body`."""
    section = body or f"<section>{''.join(content)}</section>"
    return (
        '<mei xmlns="http://www.music-encoding.org/ns/mei"><music><body><mdiv><score>'
        f"<scoreDef {score}>{staves}</scoreDef>{section}</score></mdiv></body></music></mei>"
    )


def bar(*layers: str, low: str = "", events: str = "", attributes: str = "") -> str:
    """A measure: layers of the upper staff, one of the lower, and what stands beside them."""
    upper = "".join(f'<layer n="{n}">{layer}</layer>' for n, layer in enumerate(layers, 1))
    lower = f'<staff n="2"><layer n="1">{low}</layer></staff>' if low else ""
    return f'<measure {attributes}><staff n="1">{upper}</staff>{lower}{events}</measure>'


def n(pitch: str, dur: str | None = "4", key: str = "", inside: str = "", **attributes: str) -> str:
    """A note such as c4; underscores in names of attributes stand for dots (accid_ges)."""
    more = "".join(f' {name.replace("_", ".")}="{value}"' for name, value in attributes.items())
    named = f' xml:id="{key}"' if key else ""
    length = f' dur="{dur}"' if dur else ""
    return f'<note{named} pname="{pitch[0]}" oct="{pitch[1:]}"{length}{more}>{inside}</note>'


def pitches(score: Score) -> list[int]:
    return score.notes.pitch.tolist()
