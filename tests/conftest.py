"""How every test runs: on the CPU as eight devices, with JAX and Python as strict as the libraries allow.

JAX reads its settings from the environment when it is imported, so they stand here, before any test module is
loaded. JAX itself is not imported: the tests of `music` and `evaluation` do not pay for it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The models of tests are tiny: nearly all of their time is compilation, which takes half as long without optimisation.
for _flag in ("--xla_force_host_platform_device_count=8", "--xla_backend_optimization_level=0"):
    if _flag.split("=")[0] not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_flag}".strip()
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["PIANIST_CACHE"] = ""  # the user's own compiled programs have no part in this
# Those of the tests are shared by their processes and kept from one run to the next; `make clean` removes them.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "programs"))
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

# The same examples on every machine, no time limit on a busy one, and no database beside the code.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("house")


@pytest.fixture
def strict_dtypes() -> Iterator[None]:
    """No implicit dtype promotion inside the test.

    Not on everywhere: optax.adamw (float ** int32) and jax.nn.dot_product_attention in bfloat16 promote
    implicitly themselves. Tests of the model in float32 ask for it.
    """
    import jax

    with jax.numpy_dtype_promotion("strict"):
        yield
