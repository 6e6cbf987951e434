# SPDX-License-Identifier: Apache-2.0
import os
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest

from common.identifiers import uuid7
from notifier.mail import MailUnavailable
from notifier.mail.file import FileBackend


def mail(content="Hello"):
    message = EmailMessage()
    message["Subject"] = "Größe → neu"
    message.set_content(content)
    return message


def read(path):
    return message_from_bytes(path.read_bytes(), policy=policy.default)


def test_a_mail_is_one_complete_file_in_a_folder_that_is_made(tmp_path):
    mail_id = uuid7()
    folder = tmp_path / "new" / "mail"

    FileBackend(folder).send(mail_id, mail())

    (path,) = folder.iterdir()
    assert path.name == f"{mail_id}.eml"
    assert read(path)["Subject"] == "Größe → neu"
    assert read(path).get_content().strip() == "Hello"
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"")


def test_a_mail_that_is_repeated_replaces_itself(tmp_path):
    backend = FileBackend(tmp_path)
    backend.send(UUID(int=1), mail("first"))

    backend.send(UUID(int=1), mail("again"))

    (path,) = tmp_path.iterdir()
    assert read(path).get_content().strip() == "again"


def test_a_mail_that_can_not_be_finished_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(MailUnavailable, match="No space left"):
        FileBackend(tmp_path).send(UUID(int=1), mail())

    assert list(tmp_path.iterdir()) == []


def test_a_mail_is_under_its_name_only_when_it_is_whole_and_on_the_disk(tmp_path, monkeypatch):
    seen = []
    fsync = os.fsync

    def looking(descriptor):
        seen.append([path.name for path in tmp_path.glob("*.eml")])
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", looking)

    FileBackend(tmp_path).send(UUID(int=1), mail())

    assert seen == [[], [f"{UUID(int=1)}.eml"]]


def test_a_folder_that_can_not_be_made_is_the_backends_trouble(tmp_path):
    (tmp_path / "mail").write_text("a file")

    with pytest.raises(MailUnavailable):
        FileBackend(Path(tmp_path / "mail")).send(UUID(int=1), mail())
