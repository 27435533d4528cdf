"""Pieces performed side by side, of which a bad one does not stop the others."""

from collections.abc import Callable, Iterable, Iterator

from pianist_jax.rendering.renderer import Piece, Rendering

Rendered = Callable[[Iterable[Piece]], Iterator[tuple[int, Rendering]]]


def rendered_apart(
    pieces: Iterator[Piece], rendered: Rendered, set_aside: Callable[[int, Exception], None]
) -> Iterator[tuple[int, Rendering]]:
    """What is `rendered`, but a piece that cannot be performed is `set_aside` (its number, why) and the others go on.

    Pieces are performed side by side: which of them failed is found out by performing those at hand one by one, which
    gives the same performances.
    """
    at_hand: dict[int, Piece] = {}
    count, ended, broken = 0, False, False

    def taken() -> Iterator[Piece]:
        nonlocal count, ended, broken
        while not ended:
            try:
                piece = next(pieces, None)
            except BaseException:  # of the run, not of a piece
                broken = True
                raise
            if piece is None:
                ended = True
                return
            at_hand[count] = piece
            count += 1
            yield piece

    while not ended:
        first = count
        try:
            for number, rendering in rendered(taken()):
                del at_hand[first + number]
                yield first + number, rendering
            continue
        except Exception:
            if broken or not at_hand:
                raise
        for number, piece in list(at_hand.items()):
            del at_hand[number]
            try:
                ((_, rendering),) = rendered([piece])
            except Exception as error:
                set_aside(number, error)
            else:
                yield number, rendering
