"""What music is: notes, files, tokens. NumPy only, no JAX."""
