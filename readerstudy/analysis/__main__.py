"""``python -m readerstudy.analysis``: reader-study statistics for tables from anywhere."""

import sys

from readerstudy.analysis.commandline import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
