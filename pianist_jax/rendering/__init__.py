"""Scores to performances: sampling, decoding, windows, files."""
