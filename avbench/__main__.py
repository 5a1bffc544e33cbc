"""`python -m avbench` is the `avbench` command."""

from avbench.cli import main

main()
