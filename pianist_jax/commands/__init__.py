"""The commands of `pianist`, a module for each kind of work."""
