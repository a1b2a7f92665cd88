"""Notices by mail: from templates, over verified TLS alone, with nothing of a patient in them."""

import email
import json

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP

from conftest import free_port, wait_until
from sinks import Authority, sink
from test_egress import Doors

CANARY = "Zyxwellian"
USER, PASSWORD = "ward@clinic.example", "mail-secret-9317"


class Inbox:
    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, envelope.rcpt_tos, envelope.content.decode("ascii")))
        return "250 taken"


class MailServer(Controller):
    """aiosmtpd with STARTTLS or TLS from the start, and a password."""

    def __init__(self, inbox, context, starttls):
        self.context, self.starttls = context, starttls
        super().__init__(
            inbox, hostname="127.0.0.1", port=free_port(), ssl_context=None if starttls else context,
            server_hostname="sink.example.com")

    def factory(self):
        return SMTP(
            self.handler, tls_context=self.context if self.starttls else None, require_starttls=self.starttls,
            auth_required=True, auth_require_tls=self.starttls, authenticator=self._check)

    def _check(self, server, session, envelope, mechanism, data):
        good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)


def mail_server(authority, starttls):
    inbox = Inbox()
    server = MailServer(inbox, authority.context(), starttls)
    server.start()
    return server, inbox


def ready(houses, tmp_path, port, *options, authority=None):
    house = houses()
    doors = Doors(house, authority, None)
    vendor = doors.vendor()
    doors.sign(vendor, last=90)
    doors.name = doors.destination(port, *options, vendor=vendor)
    password = house.folder / "mail.password"
    password.touch(0o600)
    password.write_text(PASSWORD + "\n")
    doors.password = password
    doors.vendor_name = vendor
    doors.do(
        "notice", "set", "--destination", doors.name, "--from", USER, "--to", "it@clinic.example", "--user", USER,
        "--password-file", password)
    return doors


@pytest.mark.parametrize("starttls", [False, True])
def test_alerts_are_told_by_mail_without_a_word_of_a_patient(houses, tmp_path, starttls):
    authority = Authority(tmp_path / "authority")
    server, inbox = mail_server(authority, starttls)
    try:
        doors = ready(houses, tmp_path, server.port, *["--starttls"] * starttls, authority=authority)
        house = doors.house
        doors.do("notice", "test")
        assert len(inbox.messages) == 1 and "This is a test" in inbox.messages[0][2]
        client = house.client("integration")
        stored = client.create({"resourceType": "Patient", "name": [{"family": CANARY, "given": ["Anna"]}]})
        clinician = house.client("clinician")
        clinician.get(f"Patient/{stored['id']}")
        for number in range(15):
            clinician.get(f"Patient/{CANARY}-{number}")
        wait_until(lambda: len(inbox.messages) > 1, timeout=30, what="the notice")
        sender, receivers, content = inbox.messages[1]
        message = email.message_from_string(content)
        assert (sender, receivers) == (USER, ["it@clinic.example"])
        assert message["Subject"] == "Notice from your record server"
        body = message.get_payload()
        assert "alert of odd access waits" in body and f"{house.origin}/app/alerts" in body
        # Nothing of the patient, the account, the records or the rule.
        for word in [CANARY, CANARY.lower(), stored["id"], "Anna", "clinician", "wandering", "Patient"]:
            assert all(word not in content for _, _, content in inbox.messages), word
        listed = json.loads(doors.do("notice", "list", "--json"))
        assert listed["to"] == "it@clinic.example"
        wait_until(lambda: json.loads(doors.do("notice", "list", "--json"))["waiting"] == [], what="an empty outbox")
        assert PASSWORD not in house.errors() + json.dumps(house.events())
        kinds = {event["kind"] for event in house.events()}
        assert {"notice-set", "notice-queued", "notice-ended", "egress-opened", "egress-closed"} <= kinds
        exits = [line for line in house.log_lines() if line["message"].startswith("exit")]
        assert exits and all(set(line) <= {"time", "level", "message", "code", "count"} for line in exits)
    finally:
        server.stop()


def test_a_notice_waits_until_its_door_is_open_and_survives_a_restart(houses, tmp_path):
    authority = Authority(tmp_path / "authority")
    server, inbox = mail_server(authority, False)
    try:
        doors = ready(houses, tmp_path, server.port, authority=authority)
        house = doors.house
        doors.do("vendor", "revoke", doors.vendor_name)
        clinician = house.client("clinician")
        for number in range(15):
            clinician.get(f"Patient/none-{number}")
        wait_until(lambda: json.loads(doors.do("notice", "list", "--json"))["waiting"], timeout=30, what="a notice")
        assert "nothing was sent" in house.ward("notice", "test").stderr
        house.kill()
        assert inbox.messages == []
        house.start()
        doors.sign(doors.vendor_name, last=90)
        house.restart()
        wait_until(lambda: inbox.messages, timeout=30, what="the notice")
        assert "odd access" in inbox.messages[0][2]
    finally:
        server.stop()


def strip(sink, connection):
    """A mail server, or somebody in between, that does not let TLS begin."""
    connection.sendall(b"220 sink\r\n")
    while True:
        line = connection.recv(4096)
        if not line:
            return
        sink.received += line
        connection.sendall(b"250-sink\r\n250 AUTH PLAIN LOGIN\r\n")


def inject(sink, connection):
    """Says more in the clear, to be taken for what comes under TLS."""
    connection.sendall(b"220 sink\r\n")
    sink.received += connection.recv(4096)
    connection.sendall(b"250-sink\r\n250 STARTTLS\r\n")
    sink.received += connection.recv(4096)
    connection.sendall(b"220 go\r\n250-sink\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n")


@pytest.mark.parametrize("talk", [strip, inject])
def test_nothing_is_said_where_starttls_is_stripped_or_answers_are_injected(houses, tmp_path, talk):
    authority = Authority(tmp_path / "authority")
    with sink(talk) as there:
        doors = ready(houses, tmp_path, there.port, "--starttls", authority=authority)
        done = doors.house.ward("notice", "test")
        assert done.returncode == 1, done.stdout
        assert b"MAIL" not in there.received and b"AUTH" not in there.received and b"EHLO" in there.received


def test_a_password_that_others_can_read_is_not_used(houses, tmp_path):
    authority = Authority(tmp_path / "authority")
    server, inbox = mail_server(authority, False)
    try:
        doors = ready(houses, tmp_path, server.port, authority=authority)
        doors.password.chmod(0o644)
        done = doors.house.ward("notice", "test")
        assert done.returncode == 1 and "open to others" in done.stderr and not inbox.messages
        doors.password.chmod(0o600)
        doors.password.write_text("wrong\n")
        done = doors.house.ward("notice", "test")
        assert done.returncode == 1 and "answered 535" in done.stderr and not inbox.messages
    finally:
        server.stop()
