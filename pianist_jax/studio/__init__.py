"""A page in the browser to hear, see and shape performances: a local server, and what it shows."""
