"""The networks, in pure Flax linen: no files, no sampling.

Names of array axes, used as suffixes (`x_BND`): B batch, N notes, S the 8 slots of a note, T positions (notes in the
encoder, tokens in the token decoder), U positions attended to, D width, H query heads, K key/value heads, C head
size, R cells of a slot's distribution.
"""
