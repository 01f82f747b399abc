"""The configuration: its model, what is wrong with a file, and the providers that it asks for."""

from resbench.config.available_providers import choose_providers, missing_here
from resbench.config.model import Configuration
from resbench.config.problems import check, duplicate_keys

__all__ = ["Configuration", "check", "choose_providers", "duplicate_keys", "missing_here"]
