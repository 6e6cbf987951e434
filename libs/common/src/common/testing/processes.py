# SPDX-License-Identifier: Apache-2.0
"""Processes beside a test that it can stop, interrupt or kill."""

import warnings
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any


def fork(target: Callable[..., object], *arguments: Any) -> BaseProcess:
    """Run *target* in a copy of this process: what a test has patched is patched there too."""
    process = get_context("fork").Process(target=target, args=arguments, daemon=True)
    with warnings.catch_warnings():
        # From Python 3.12 on it warns where there are threads, whose locks would stay locked in the
        # copy. Those that tests leave behind only wait for connections.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process
