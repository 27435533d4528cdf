"""`python -m pianist_jax`: the `pianist` command."""

from pianist_jax.cli import main

main()
