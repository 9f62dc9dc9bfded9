"""``python -m nnzoo`` is the command ``nnzoo``."""

import sys

from nnzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
