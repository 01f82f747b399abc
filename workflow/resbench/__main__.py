"""`python -m resbench`, for processes that must run in this very interpreter."""

from resbench.cli import main

main()
