"""What a pianist does to a score: timing, dynamics, articulation, pedal. NumPy only, no JAX."""
