"""How every test runs: on the CPU as eight devices, with JAX and Python as strict as the libraries allow.

JAX reads its settings from the environment when it is imported, so they stand here, before any test module is
loaded. JAX itself is not imported: the tests of `music` and `evaluation` do not pay for it.
"""

import os
from collections.abc import Iterator

import hypothesis
import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
_DEVICES = "--xla_force_host_platform_device_count=8"
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_DEVICES}".strip()
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["PIANIST_CACHE"] = ""  # no compiled programs from other runs

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
