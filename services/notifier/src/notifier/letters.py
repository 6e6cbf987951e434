# SPDX-License-Identifier: Apache-2.0
"""What a mail looks like: stories, put into templates, put into an RFC 5322 message."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache, lru_cache

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from notifier.mail.wire import MOST_KEPT, WIRE
from notifier.queries import Letter
from notifier.stories import Story, one_line, tell

MOST_NAMED_EVENTS = 100
"""A header with thousands of ids would be refused; the body has all the changes anyway."""


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("notifier"),
        auto_reload=False,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    return environment


@cache
def _inliner() -> css_inline.CSSInliner:
    # The page holds other people's text: nothing in it may make us fetch anything.
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@lru_cache(MOST_KEPT)
def _address(address: str, name: str = "") -> str:
    return str(Address(name, addr_spec=address))


def compose(letter: Letter, *, source: str, currency: str, now: datetime) -> EmailMessage:
    """Write the mail: one story, or a digest of several.

    All values are text to the templates, never template or markup, and no value reaches a header
    with a line break in it.

    Args:
        source: The address that it comes from; its domain is also the Message-ID's.
        now: The Date header.
    """
    assert letter.address is not None
    stories = [tell(parts, currency=currency, names=letter.names) for parts in letter.notices]
    message = EmailMessage(policy=WIRE)
    message["From"] = _address(source, "Souk")
    message["To"] = _address(letter.address)
    message["Subject"] = subject_of(stories)
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = f"<{letter.mail_id}@{source.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    for name, value in _causes(stories):
        message[name] = value
    values = {"stories": stories, "names": _names(letter), "subject": subject_of(stories)}
    form = "story" if len(stories) == 1 else "digest"
    message.set_content(_templates().get_template(f"{form}.txt").render(values))
    page = _inliner().inline(_templates().get_template(f"{form}.html").render(values))
    message.add_alternative(page, subtype="html")
    message.set_boundary(letter.mail_id.hex)
    return message


def subject_of(stories: list[Story]) -> str:
    """A story's headline, or how much a digest holds."""
    if len(stories) == 1:
        return stories[0].headline
    return f"Digest: {len(stories)} changes"


def _names(letter: Letter) -> dict[str, str]:
    return {actor: f"{one_line(name)} ({actor})" for actor, name in letter.usernames.items()}


def _causes(stories: list[Story]) -> list[tuple[str, str]]:
    event_ids = [event_id for story in stories for event_id in story.event_ids]
    requests = dict.fromkeys(one_line(story.correlation_id, 64) for story in stories)
    return [
        *(("X-Souk-Event-Id", str(event_id)) for event_id in event_ids[:MOST_NAMED_EVENTS]),
        *(("X-Request-Id", request) for request in list(requests)[:MOST_NAMED_EVENTS]),
    ]
