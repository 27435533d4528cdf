"""Corpora on disk and in memory: files, records, parts, pairs, windows, and what training does to them."""
