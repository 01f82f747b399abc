"""The version of this code: `importlib.metadata` knows only the installed one, where there is one."""

__version__ = "0.2.0"
