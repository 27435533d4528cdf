"""Options of scores with several players."""

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pianist_jax.score.reading import Reading


@dataclasses.dataclass(frozen=True)
class Together:
    """How the parts beside the pianist's play."""

    ensemble: Annotated[
        list[str] | None,
        typer.Option(
            "--ensemble",
            metavar="KEY=VALUE",
            help="With --accompany: spread=1 (times an ensemble's asynchrony), balance=2 (dB the soloist is above), "
            "curve=cc11|cc1|none (what swells within notes), or deadpan: parts as written, in the pianist's time.",
        ),
    ] = None
    follow: Annotated[
        str | None,
        typer.Option(
            "--follow",
            metavar="MIDI",
            help="Accompany this recording of the score's solo part, in its time.",
        ),
    ] = None
    solo: Annotated[
        str | None,
        typer.Option("--solo", metavar="NAME|N", help="Which of the other parts --follow is of."),
    ] = None

    def reading(self, plain: "Reading") -> "Reading":
        """A reading with that. Raises PianistError."""
        from pianist_jax.errors import PianistError
        from pianist_jax.score.together import parse_ensemble

        if self.solo is not None and self.follow is None:
            raise PianistError("--solo says what a recording is of; name that with --follow")
        if self.follow is not None:
            plain = dataclasses.replace(plain, accompany=True)
        if self.ensemble is None:
            return plain
        if not plain.accompany:
            raise PianistError("--ensemble says how other parts play; let them with --accompany")
        return dataclasses.replace(plain, ensemble=parse_ensemble(self.ensemble))
