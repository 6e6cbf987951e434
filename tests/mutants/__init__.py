# SPDX-License-Identifier: Apache-2.0
"""Production code broken on purpose, one guard a module, from outside: nothing there knows of it.

Each module is a plugin of pytest (``-p mutants.<name>``) that breaks one thing when it is imported,
in that one test run. ``test_mutants.py`` says which tests must then fail, and lets them.
"""
