#!/usr/bin/env python3
"""Documentation/keywords.md is what `lbd -dKmd` prints."""
import os

from lbt import *


@case("Documentation/keywords.md is up to date (make docs)")
def _():
    with open(os.path.join(TOP, "Documentation/keywords.md")) as f:
        true(run([LBD, "-dKmd"]).stdout == f.read(), "it differs from the program: run 'make docs' and commit")


main()
