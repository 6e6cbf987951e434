# SPDX-License-Identifier: Apache-2.0
"""What the shipper needs to know about its surroundings."""

from pathlib import Path

from pydantic import Field

from common.settings import Address, Secret, Settings


class Config(Settings):
    """Settings of the shipper.

    Attributes:
        view_log_key: Viewers are hashed with it; with another one they are others.
        view_log_max_bytes: How long the log may grow before a new one is begun.
        view_log_max_seconds: How old its first view may become. It tells of people what nobody
            needs any more once it is shipped.
    """

    worker_port: int = 9206
    amqp_url: Address
    view_log: Path
    view_log_key: Secret
    view_offset: Path
    view_log_max_bytes: int = Field(default=64 * 1024**2, ge=1)
    view_log_max_seconds: int = Field(default=3600, ge=1)
