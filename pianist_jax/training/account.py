"""Where the time of a run goes: what of it is training, and what is spent around it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

KINDS = ("restore", "compile", "data", "steps", "validation", "checkpoint", "sample")


class Account:
    """Seconds of wall-clock by what they were spent on, since it was made; what is begun inside counts for itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._since, self._open = self._began, list[str]()
        self._spent = dict.fromkeys(KINDS, 0.0)

    @contextmanager
    def spent_on(self, kind: str) -> Iterator[None]:
        """What happens inside is of this kind, one of `KINDS`, but for what is of another inside of it."""
        self._settle()
        self._open.append(kind)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    def _settle(self) -> None:
        now = self._clock()
        if self._open:
            self._spent[self._open[-1]] += now - self._since
        self._since = now

    def figures(self) -> dict[str, float]:
        """Seconds by kind, those of nothing else as "other", and `goodput`: the share of all that steps took."""
        self._settle()
        whole = max(self._since - self._began, 1e-9)
        other = max(whole - sum(self._spent.values()), 0.0)
        return {**self._spent, "other": other, "goodput": self._spent["steps"] / whole}


def account_in_words(figures: dict[str, float]) -> str:
    """One line for people: how much of the time was training, and what else took more than a hundredth of it."""
    seconds = {name: value for name, value in figures.items() if name != "goodput"}
    whole = sum(seconds.values())
    rest = [f"{name} {value:.0f} s" for name, value in seconds.items() if name != "steps" and value > 0.01 * whole]
    told = f"{figures['goodput']:.0%} of {whole:.0f} s were training"
    return f"{told} ({', '.join(rest)})" if rest else told
