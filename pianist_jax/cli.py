"""The `pianist` command: one front door to `pianist_jax/commands`, where each command parses, calls and prints.

The module of a command is imported when it is called, and what costs time to import when it runs.
"""

import atexit
import gc
import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from pianist_jax.errors import PianistError, lacking
from pianist_jax.terminal import complain, say

# Every command: its module in `commands`, and the first sentence of its help, so that the list needs no module.
COMMANDS = {
    "render": ("rendering", "Perform scores."),
    "apply": (
        "editing",
        "Write a rendering's files again after its JSON file was edited, or with another expression.",
    ),
    "inspect": (
        "editing",
        "Say what is in a score, a performance or a rendering: bars, notes, tempi, dynamics, pedal, problems.",
    ),
    "history": (
        "takes",
        "List the takes of a rendering: what each was made from and with, and which is the current one (*).",
    ),
    "take": (
        "takes",
        "Go to a take: NAME.daw.mid, the other files and NAME.json become those of it, and no other take is lost.",
    ),
    "undo": ("takes", "Go back to the take from which the current one was made; `pianist take N` goes anywhere."),
    "compare": (
        "takes",
        "Tell what differs between two takes, in figures and in a picture (NAME.takes/A-B.png).",
    ),
    "studio": ("studio", "Hear, see and shape performances on a page in your browser."),
    "evaluate": (
        "evaluation",
        "Tell how well candidates play, beside the humans who played the same scores, and beside controls.",
    ),
    "prepare": ("data", "Read corpora of MIDI files into compact record shards; goes on where it was stopped."),
    "align": ("alignment", "Find which performed note plays which score note, and write it as a table."),
    "pairs": (
        "alignment",
        "Align performances to their scores, note by note; goes on where it was stopped.",
    ),
    "data": ("corpora", "Prepared corpora: show them, export them."),
    "pretrain": ("training", "Pre-train on performances alone, by filling in what is masked."),
    "finetune": ("training", "Fine-tune on aligned pairs of score and performance."),
    "consensus": (
        "training",
        "Teach a fine-tuned model what pianists agree on: the mean of all performances of a score.",
    ),
    "export": (
        "training",
        "Write a run's last checkpoint as one weights file, for `pianist render --model`.",
    ),
    "convert": (
        "training",
        "Convert the paper's published weights (safetensors) to this package's layout, or back.",
    ),
    "models": (
        "models",
        "List the bundled weights: how large, under which licence, and the hash that renderings name.",
    ),
    "bench": ("bench", "Measure the speed of rendering and of training."),
}


class Commands(TyperGroup):
    """The commands, each imported when it is wanted; in the list of all their first sentences stand whole."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the list."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pianist_jax.commands.{COMMANDS[cmd_name][0]}")
        return get_group(module.commands).commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant; what is close to a word that is none is suggested."""
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment, arg-type]  # only their names are looked at
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list, each sentence wrapped where click would cut it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


app = typer.Typer(
    name="pianist",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# What is imported stays: to look through it again and again for what may go was a sixth of the time of the imports.
COLLECT_AFTER = 50_000


def main() -> None:
    """Run the command. Exit code 2: nothing came of it; 1: something did not; 130: interrupted."""
    gc.set_threshold(COLLECT_AFTER)
    atexit.register(gc.freeze)  # where the process ends, nor need it be looked through once more
    try:
        app(prog_name="pianist")
    except PianistError as error:
        complain(error)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (without := lacking(error)) is None:
            raise
        complain(without)
        sys.exit(2)
    except SystemExit as stop:  # also what typer makes of a KeyboardInterrupt
        if stop.code == 130:
            complain("interrupted; what was finished is kept")
        raise


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"pianist {version('pianist_jax')}")
        raise typer.Exit


@app.callback()
def pianist(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Play scores like a pianist would."""


if __name__ == "__main__":
    main()
