"""Models that play: compiled programs, sampling, decoding, windows."""
