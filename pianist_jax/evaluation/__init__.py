"""How good a performance is, measured against human ones. NumPy only, no JAX."""
