"""Expressive piano performance rendering: a score goes in, a performance comes out."""
