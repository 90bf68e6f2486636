"""`python -m serving.commands`: the `qianfen` command."""

from serving.commands import main

main()
