"""The one error that a user is meant to see."""


class ResbenchError(Exception):
    """Something outside the program is wrong: the message says what, with which file, and what to do.

    The command line prints it as one line and exits with status 1.
    """
