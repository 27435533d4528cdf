"""The runners of Apache Beam (the extra `beam`), by which work is spread over machines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pianist_jax.errors import PianistError, require

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

RUNNERS = ("Direct", "Dataflow", "Flink", "Spark", "Prism", "Portable")
# What Beam calls Direct first fetches another runner from the net, and takes this one where it cannot.
_IN_PROCESS = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def pipeline_options(runner: str, options: Sequence[str] = ()) -> "PipelineOptions":
    """Those of a pipeline on one of `RUNNERS`, with `options` of that runner, `key=value` each.

    Raises PianistError where Beam is not installed, or does not know the runner.
    """
    require("beam")
    from apache_beam.options.pipeline_options import PipelineOptions

    name = runner.removesuffix("Runner")
    if name not in RUNNERS:
        raise PianistError(f"unknown runner {runner!r}: it is one of {', '.join(RUNNERS)}")
    arguments = [f"--{option.removeprefix('--')}" for option in options]
    called = _IN_PROCESS if name == "Direct" else f"{name}Runner"
    return PipelineOptions(arguments, runner=called, save_main_session=False)
