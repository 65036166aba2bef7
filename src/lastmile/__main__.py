"""`python -m lastmile` is the `lastmile` command."""

from lastmile.cli.main import main

main()
