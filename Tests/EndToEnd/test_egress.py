"""T-EGRESS: nothing leaves, not even a SYN, that no current agreement or lawful category covers."""

import datetime
import json
import re
import threading
import time

import pytest

from conftest import wait_until
from shifted_clock import ShiftedClock
from sinks import HOST, Authority, capture, sink

DAY = 86_400


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%Y-%m-%d")


def clauses(house):
    done = house.ward_program("vendor", "clauses", "--json")
    return [json.loads(line)["clause"] for line in done.stdout.splitlines()]


class Doors:
    """A running store with vendors, and commands that must succeed."""

    def __init__(self, house, authority, clock):
        self.house, self.authority, self.clock = house, authority, clock
        self.all = clauses(house)
        self.document = house.folder / "agreement.pdf"
        self.document.write_bytes(b"signed")
        self.count = 0

    def do(self, *arguments):
        done = self.house.ward(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def vendor(self, kind="mail"):
        self.count += 1
        name = f"vendor{self.count}"
        self.do("vendor", "add", name, "--kind", kind)
        return name

    def sign(self, vendor, *, without=None, service=("mail",), region=("here",), first=-1, last=30):
        options = [word for clause in self.all if clause != without for word in ("--clause", clause)]
        for each in service:
            options += ["--service", each]
        for each in region:
            options += ["--region", each]
        return self.do(
            "vendor", "sign", vendor, "--document", self.document, *options, "--effective", day(first), "--ends",
            day(last), "--signed-by", "A. Officer", "--signed-for-vendor", "B. Vendor")

    def destination(self, port, *options, vendor=None, service="mail", kind="mail", host=HOST, region="here",
                    address="127.0.0.1", ca=None):
        self.count += 1
        name = f"door{self.count}"
        bound = ["--vendor", vendor, "--service", service] if vendor else []
        bound += ["--address", address] if address else []
        bound += ["--ca", ca or self.authority.pem]
        self.output = self.do(
            "vendor", "destination", "add", name, "--kind", kind, "--host", host, "--port", port, "--region", region,
            *bound, *options)
        return name

    def try_it(self, name, *options):
        return self.house.ward("vendor", "destination", "test", name, *options)

    def listed(self, name):
        lines = [json.loads(line) for line in self.do("vendor", "list", "--json").splitlines()]
        return next(line for line in lines if line.get("destination") == name)


@pytest.fixture(scope="module")
def doors(houses, tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    house = houses(start=False)
    clock = ShiftedClock(folder)
    house.environment = clock.environment
    house.start()
    return Doors(house, Authority(folder / "authority"), clock)


def greet(sink, connection):
    """As much of a mail server as a greeting needs."""
    connection.sendall(b"220 sink\r\n")
    while True:
        line = connection.recv(4096)
        if not line:
            return
        sink.received += line
        connection.sendall(b"250 sink\r\n")


def stall(sink, connection):
    connection.sendall(b"220 sink\r\n")


def test_a_covered_destination_is_reached_and_the_exit_is_logged(doors, tmp_path):
    vendor = doors.vendor()
    doors.sign(vendor)
    with sink(greet, doors.authority.context()) as there, capture(there.port, tmp_path / "a.pcap") as syns:
        name = doors.destination(there.port, vendor=vendor)
        assert doors.listed(name)["open"] is True
        done = doors.try_it(name)
        assert done.returncode == 0, done.stderr
        assert there.received.startswith(b"EHLO") and syns() == 1
    events = doors.house.events("--kind", "egress-opened", "--kind", "egress-closed")
    told = [event for event in doors.house.events() if name in event["decision"]]
    kinds = [event["kind"] for event in reversed(told)]
    assert kinds == ["destination-added", "egress-opened", "egress-closed"], (told, events)
    assert re.search(r"sent=[1-9]\d* received=[1-9]\d* done", told[0]["decision"]), told[0]


@pytest.mark.parametrize("fault, said", [
    ("no agreement", "signed no agreement"), ("clause", "164.504(e)(2)(ii)(D)"), ("service", "does not name the service"),
    ("region", "does not cover the region"), ("not yet", "not in effect yet"), ("revoked", "was revoked"),
    ("removed", "no such destination")])
def test_what_nothing_covers_makes_no_packet(doors, tmp_path, fault, said):
    vendor = doors.vendor()
    if fault != "no agreement":
        doors.sign(
            vendor, without="subcontractors" if fault == "clause" else None,
            service=["sms"] if fault == "service" else ["mail"], region=["there"] if fault == "region" else ["here"],
            first=2 if fault == "not yet" else -1)
    with sink(greet, doors.authority.context()) as there, capture(there.port, tmp_path / "b.pcap") as syns:
        name = doors.destination(there.port, vendor=vendor)
        if fault == "revoked":
            doors.do("vendor", "revoke", vendor)
        if fault == "removed":
            doors.do("vendor", "destination", "remove", name)
        done = doors.try_it(name)
        assert done.returncode == 1 and said in done.stderr, done.stderr
        assert there.accepted == 0 and syns() == 0
        if fault != "removed":
            assert doors.listed(name)["open"] is False
    refused = next(event for event in doors.house.events() if event["kind"] == "egress-refused")
    assert name in refused["decision"] and refused["outcome"] == "denied"


def test_the_recording_would_have_shown_it(doors, tmp_path):
    import socket
    with sink() as there, capture(there.port, tmp_path / "c.pcap") as syns:
        socket.create_connection(("127.0.0.1", there.port)).close()
        assert syns() == 1


@pytest.mark.parametrize("fault", ["another authority", "another host", "expired", "not yet valid", "plaintext", "old TLS"])
def test_a_peer_that_cannot_prove_who_it_is_gets_nothing(doors, tmp_path, fault):
    vendor = doors.vendor()
    doors.sign(vendor)
    issuer = Authority(tmp_path / "other") if fault == "another authority" else doors.authority
    context = issuer.context(
        label=fault.replace(" ", "-"), host="other.example.com" if fault == "another host" else HOST,
        first=3 if fault == "not yet valid" else -9, last=-2 if fault == "expired" else 800)
    if fault == "old TLS":
        import ssl
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    with sink(greet, None if fault == "plaintext" else context) as there:
        done = doors.try_it(doors.destination(there.port, vendor=vendor))
        assert done.returncode == 1 and "TLS with the destination failed" in done.stderr, done.stderr
        assert b"EHLO" not in there.received


@pytest.mark.parametrize("how", ["revoke", "remove", "expiry"])
def test_an_open_connection_is_cut_when_its_proof_ends(doors, how):
    vendor = doors.vendor()
    doors.sign(vendor, last=3)
    with sink(stall, doors.authority.context()) as there:
        name = doors.destination(there.port, vendor=vendor)
        result = []
        attempt = threading.Thread(target=lambda: result.append(doors.try_it(name)))
        attempt.start()
        wait_until(lambda: b"EHLO" in there.received, what="the greeting")
        assert not there.ended
        try:
            if how == "expiry":
                doors.clock.set(3 * DAY)
            elif how == "revoke":
                doors.do("vendor", "revoke", vendor)
            else:
                doors.do("vendor", "destination", "remove", name)
            start = time.monotonic()
            wait_until(lambda: there.ended, timeout=5, what="the cut")
            assert there.ended[0] - start < 2.5
            attempt.join(10)
            assert "the connection was cut" in result[0].stderr, result[0].stderr
            count = there.accepted
            done = doors.try_it(name)
            assert done.returncode == 1 and "nothing was sent" in done.stderr
            assert there.accepted == count
        finally:
            doors.clock.set(0)
            # The log has events of the day after tomorrow now; the next test goes on as if they were not there.
            if how == "expiry":
                doors.house.stop()
                doors.house.kill()


def test_private_addresses_are_for_destinations_on_premises_alone(houses, tmp_path):
    house = houses(roles=("administrator",))
    made = Doors(house, Authority(tmp_path / "authority"), None)
    vendor = made.vendor()
    made.sign(vendor)
    with sink(greet, made.authority.context(host="localhost")) as there, \
            capture(there.port, tmp_path / "d.pcap") as syns:
        for host in ["localhost", "127.0.0.1", "::1"]:
            done = made.try_it(made.destination(there.port, vendor=vendor, host=host, address=None))
            assert done.returncode == 1 and "private network" in done.stderr, done.stderr
        assert syns() == 0
        assert made.try_it(made.destination(there.port, vendor=vendor, host="localhost")).returncode == 0
        assert syns() == 1


def test_lawful_categories_need_a_reason_and_a_last_day(houses, tmp_path):
    house = houses(roles=("administrator",))
    made = Doors(house, Authority(tmp_path / "authority"), None)
    for missing in ["--reason", "--ends"]:
        options = {"--reason": "court order 12", "--ends": day(3)}
        del options[missing]
        done = house.ward(
            "vendor", "destination", "add", "court", "--kind", "mail", "--host", HOST, "--port", 465, "--region", "here",
            "--lawful", "required-by-law", *[word for pair in options.items() for word in pair])
        assert done.returncode == 1 and "12" not in done.stderr, done.stderr
    with sink(greet, made.authority.context()) as there:
        name = made.destination(
            there.port, "--lawful", "required-by-law", "--reason", "court order 12", "--ends", day(3))
        assert made.try_it(name).returncode == 0
        assert made.listed(name)["reason"] == "court order 12"


def test_a_changed_register_is_confirmed_and_errors_name_the_field_only(houses, tmp_path):
    house = houses(start=False, roles=("administrator",))
    made = Doors(house, Authority(tmp_path / "authority"), None)
    vendor = made.vendor()
    for options, field in [
            (["--service", "a b secretword"], "service"), (["--effective", "secretword"], "effective"),
            (["--clause", "secretword"], "clause"), (["--document", "/secretword"], "document"),
            (["--ends", day(-3)], "ends")]:
        base = {"--document": str(made.document), "--service": "mail", "--region": "here", "--effective": day(-9),
                "--ends": day(9), "--signed-by": "A", "--signed-for-vendor": "B"}
        base.update({options[0]: options[1]})
        done = house.ward("vendor", "sign", vendor, *[word for pair in base.items() for word in pair])
        assert done.returncode == 1 and done.stderr.startswith(f"ward: {field}: "), done.stderr
        assert "secretword" not in done.stderr
    assert house.ward("vendor", "add", vendor, "--kind", "mail").returncode == 1
    for command in [("vendor",), ("vendor", "sign"), ("vendor", "destination", "add"), ("notice", "set")]:
        assert "USAGE" in house.ward_program(*command, "--help").stdout
