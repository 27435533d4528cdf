"""Compiled programs, kept on disk from one run to the next.

JAX's persistent compilation cache spares compiling, but each program is traced and lowered before it is found there. So
those of a CPU are kept whole besides (`kept_program`).
"""

import functools
import hashlib
import os
import pickle
import platform
import secrets
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import platformdirs

from pianist_jax.files import replace_file

VARIABLE, SETTING = "PIANIST_CACHE", "jax_compilation_cache_dir"


def keep_programs() -> Path | None:
    """Keep compiled programs in the user's cache folder, or in the one that PIANIST_CACHE names; gives the folder.

    None, and nothing kept, where that variable is empty, or the folder cannot be written to. JAX's own setting
    (JAX_COMPILATION_CACHE_DIR) goes first. JAX knows by program, versions and settings what serves again; what it
    does not know is the machine, for whose instructions a CPU's programs are made, so each kind has its own folder.
    """
    chosen = getattr(jax.config, SETTING)
    if chosen is not None:
        return Path(chosen)
    named = os.environ.get(VARIABLE)
    if named == "":
        return None
    folder = Path(named or platformdirs.user_cache_dir("pianist_jax", appauthor=False)) / "programs" / _machine()
    probe = folder / f".{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError:
        return None
    jax.config.update(SETTING, str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder


def kept_folder() -> Path | None:
    """The folder of this machine in which programs are kept now, if any."""
    setting = getattr(jax.config, SETTING)
    return Path(setting) if setting is not None and Path(setting).is_dir() else None


def kept_program(folder: Path | None, identity: str, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """The program that `identity` names: of the `folder`, or made, and then kept there; made, where there is none.

    `identity` tells all that it was made from but this package's code and the versions of the libraries, which are told
    besides. The folder is trusted as JAX trusts it: what lies there is run.
    """
    if folder is None:
        return make()
    told = f"{identity} {_code()} {os.environ.get('XLA_FLAGS', '')}"
    path = folder / f"{hashlib.sha256(told.encode()).hexdigest()}.program"
    with suppress(Exception):  # missing, or of whatever else: it is made anew
        return _loaded(path.read_bytes())
    program = make()
    with suppress(Exception):  # that it cannot be kept is no harm
        from jax.experimental.serialize_executable import serialize

        content = pickle.dumps(serialize(program))  # type: ignore[arg-type]
        _loaded(content)  # what came out of JAX's own cache may not be whole
        replace_file(path, content)
    return program


def _loaded(content: bytes) -> Callable[..., Any]:
    from jax.experimental.serialize_executable import deserialize_and_load

    executable, takes, gives = pickle.loads(content)
    return deserialize_and_load(executable, takes, gives, execution_devices=jax.devices()[:1])


@functools.cache
def _code() -> str:
    """A hash of what programs are made of: this package's modules that know JAX, and versions of libraries."""
    content = hashlib.sha256(" ".join(version(name) for name in ("jax", "jaxlib", "flax", "numpy")).encode())
    root = Path(__file__).parent.parent
    rooms = ("model", "inference", "music", "performance")
    for path in sorted([*root.glob("*.py"), *(path for room in rooms for path in (root / room).glob("*.py"))]):
        content.update(path.read_bytes())
    return content.hexdigest()


def _machine() -> str:
    """The processor's architecture and a hash of what it can do."""
    told = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        told += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
