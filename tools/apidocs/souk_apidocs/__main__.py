# SPDX-License-Identifier: Apache-2.0
"""Writes the API document and what is made from it; ``--check`` only looks."""

import argparse
import sys

from souk_apidocs.files import ROOT, made, stale


def main() -> None:
    parser = argparse.ArgumentParser(prog="souk_apidocs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one differs")
    if parser.parse_args().check:
        if differing := stale():
            sys.exit(f"Run `make openapi`: these differ from the code: {', '.join(differing)}")
        return
    for name, content in made().items():
        (ROOT / name).write_bytes(content)


if __name__ == "__main__":
    main()
