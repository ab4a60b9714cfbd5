"""The command line: ``python -m readerstudy.analysis COMMAND FILE.csv``."""

from readerstudy.analysis.commandline.program import main

__all__ = ["main"]
