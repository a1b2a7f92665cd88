"""The weekly review of system activity, on a clock that the test moves: due, overdue, signed."""

import datetime
import json
import pathlib
import struct
import time

import pytest
import urllib3

import enrolment
from conftest import wait_until
from enrolment import Visitor, enrol_by_password
from probes import database
from shifted_clock import ShiftedClock
from test_audit_retention import OfAnotherDay
from test_confirm import confirmed
from test_people import LINK

urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
DAY = 86_400


@pytest.fixture
def clinic(ward, binary, tmp_path):
    """A store made on a Monday morning, some weeks ago; commands run on the same clock as the server."""
    house = OfAnotherDay(ward, binary, tmp_path / "house")
    house.folder.mkdir()
    house.confirmation = lambda arguments: []
    clock = ShiftedClock(tmp_path)
    house.environment = clock.environment
    program = house.ward_program
    house.ward_program = lambda *arguments, **more: program(*arguments, environment=clock.environment, **more)
    today = datetime.datetime.now(datetime.timezone.utc)
    monday = (today - datetime.timedelta(days=today.weekday() + 35)).replace(hour=8, minute=0, second=0, microsecond=0)
    house.begin = (monday - today).total_seconds()
    house.week = monday.date().isoformat()
    house.at = lambda days: clock.set(house.begin + days * DAY)
    house.at(0)
    house.init()
    house.add_client("administrator", "administrator")
    yield house
    house.kill()


def weeks(clinic):
    return [json.loads(line) for line in clinic.ward("review", "list", "--json").stdout.splitlines()]


def shown(clinic, week):
    done = clinic.ward("review", "show", week, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def posture(clinic):
    return json.loads(clinic.ward("audit", "status", "--json").stdout)


def overdue_alerts(clinic):
    lines = clinic.ward("alerts", "list", "--json").stdout.splitlines()
    return [alert for alert in map(json.loads, lines) if alert["rule"] == "review-overdue"]


def test_a_week_is_due_then_overdue_with_an_alert_and_signed_by_an_officer(clinic):
    clinic.at(2)
    assert clinic.ward("client", "token", "nobody").returncode != 0
    assert weeks(clinic) == [], "the week runs"
    assert clinic.ward("review", "show", clinic.week).returncode == 1
    clinic.at(8)
    (week,) = weeks(clinic)
    assert week["week"] == clinic.week and week["state"] == "to-sign" and week["signedBy"] == []
    assert posture(clinic)["reviewsOverdue"] == 0
    seen = shown(clinic, clinic.week)
    assert seen["system"]["count"] >= 2 and len(seen["hash"]) == 64
    looks = clinic.events("--kind", "audit-read")
    assert looks[0]["decision"] == f"activity-review/{clinic.week}" or looks[1]["decision"].startswith("activity-review")

    # Nobody may sign: the operator would, as the log says; a wrong hash and a wrong week are refused in any case.
    for week, digest in [(clinic.week, "0" * 64), ("2001-01-01", seen["hash"]), ("2001-01-02", seen["hash"]), ("", "")]:
        assert clinic.ward("review", "sign", week, "--hash", digest).returncode == 1
    assert not clinic.events("--kind", "activity-reviewed")

    # Unsigned past its due day: an event, an alert, and the posture says it; once.
    clinic.at(13.5)
    clinic.start()
    assert not clinic.events("--kind", "activity-review-overdue")
    clinic.at(14.1)
    told = wait_until(
        lambda: clinic.events("--kind", "activity-review-overdue"), timeout=60, interval=0.5, what="the escalation")
    assert len(told) == 1 and told[0]["decision"] == f"week {clinic.week}"
    alert = wait_until(lambda: overdue_alerts(clinic), timeout=20, interval=0.5, what="the alert")
    assert len(alert) == 1 and alert[0]["events"] == [told[0]["index"]]
    assert posture(clinic)["reviewsOverdue"] == 1 and "1 overdue" in clinic.ward("audit", "status").stdout
    clinic.restart()
    assert len(clinic.events("--kind", "activity-review-overdue")) == 1 and len(overdue_alerts(clinic)) == 1

    # An officer signs, late, with a code of their own; a nurse does not.
    done = clinic.ward("user", "add", "otto", "--name", "Otto", "--role", "privacy-officer", "--clearance", "checked")
    assert done.returncode == 0, done.stderr
    digest = shown(clinic, clinic.week)["hash"]
    codes = enrolled_at(clinic, LINK.search(done.stdout).group(0))
    unconfirmed = clinic.ward("review", "sign", clinic.week, "--hash", digest)
    assert unconfirmed.returncode == 1 and "--as LOGIN" in unconfirmed.stderr
    signed = confirmed(clinic, "otto", codes.pop(), "review", "sign", clinic.week, "--hash", digest, "--note", "seen")
    assert signed.returncode == 0, signed.stderr
    event = clinic.events("--kind", "activity-reviewed")[0]
    assert event["who"].startswith("person/") and f"sha256 {digest}" in event["decision"]
    assert weeks(clinic)[-1]["state"] == "signed" and posture(clinic)["reviewsOverdue"] == 0
    again = confirmed(clinic, "otto", codes.pop(), "review", "sign", clinic.week, "--hash", digest)
    assert again.returncode == 1 and "signed already" in again.stderr
    assert clinic.ward("verify", "--client", "administrator").returncode == 0


def enrolled_at(clinic, link):
    """Enrolment on the server's clock, whose certificate is of its own day."""
    before = enrolment.one_time_code, Visitor.__init__

    def there(seed, when=None, step=0):
        return before[0](seed, time.time() + offset_of(clinic), step)

    def made(self, house):
        before[1](self, house)
        self.session.verify = False

    enrolment.one_time_code, Visitor.__init__ = there, made
    try:
        return enrol_by_password(clinic, link)[2]
    finally:
        enrolment.one_time_code, Visitor.__init__ = before


def offset_of(clinic):
    return struct.unpack("=q", pathlib.Path(clinic.environment["CLOCK_OFFSET_FILE"]).read_bytes())[0] / 1_000_000


def test_a_signature_set_back_to_what_was_sealed_before_it_stops_the_start(clinic):
    """The row of before opens under its key: only the log tells that it is not the newest."""
    clinic.at(14.1)
    clinic.start()
    wait_until(lambda: clinic.events("--kind", "activity-review-overdue"), timeout=60, interval=0.5,
               what="the escalation")
    clinic.stop()
    digest = shown(clinic, clinic.week)["hash"]
    with database(clinic) as rows:
        ((place, before),) = rows.execute("SELECT id, sealed FROM entry WHERE kind = 91").fetchall()
    assert clinic.ward("review", "sign", clinic.week, "--hash", digest).returncode == 0
    assert weeks(clinic)[-1]["state"] == "signed"
    with database(clinic) as rows:
        assert rows.execute("UPDATE entry SET sealed = ? WHERE kind = 91 AND id = ? AND sealed <> ?",
                            (before, place, before)).rowcount == 1
    with pytest.raises(AssertionError):
        clinic.start(timeout=20)
    assert "does not agree with its audit log" in clinic.errors()


def test_a_signature_taken_away_stops_the_start(clinic):
    clinic.at(8)
    digest = shown(clinic, clinic.week)["hash"]
    assert clinic.ward("review", "sign", clinic.week, "--hash", digest).returncode == 0, "before there is an officer"
    assert weeks(clinic)[0]["signedBy"] == ["operator"]
    with database(clinic) as rows:
        assert rows.execute("DELETE FROM entry WHERE kind = 91").rowcount == 1
    with pytest.raises(AssertionError):
        clinic.start(timeout=20)
    assert "does not agree with its audit log" in clinic.errors()
