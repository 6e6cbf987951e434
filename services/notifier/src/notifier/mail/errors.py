# SPDX-License-Identifier: Apache-2.0
"""How a backend says that a mail was not taken."""


class MailUnavailable(Exception):
    """The backend can't be reached, is throttled or broken; another mail would fare no better."""


class MailRefused(Exception):
    """The backend does not take this mail; the message says why, without any address."""
