"""Errors that a user can cause."""


class PianistError(Exception):
    """A problem with the user's input: one line that says what is wrong, with which file, and what to do.

    The command line prints the line and exits with code 2; nothing half-written is left behind.
    """
