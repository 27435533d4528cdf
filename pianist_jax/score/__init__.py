"""What is on the page: a score read from whatever file it came in. NumPy only, no JAX."""
