# SPDX-License-Identifier: Apache-2.0
"""Publishing without ``mandatory``: the broker confirms what it has thrown away."""

from pika.channel import Channel

publish = Channel.basic_publish


def publish_anyhow(*arguments, mandatory):
    publish(*arguments, mandatory=False)


Channel.basic_publish = publish_anyhow
