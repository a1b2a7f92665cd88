"""Everything is verified once a day while the server runs, on a clock that the test moves."""

import json
import time

import pytest

from conftest import wait_until
from shifted_clock import ShiftedClock
from test_audit_retention import OfAnotherDay

DAY = 86_400
#: The server looks every 20 seconds whether a day is over.
LOOK = 40


@pytest.fixture
def house(ward, binary, tmp_path):
    clock = ShiftedClock(tmp_path)
    made = OfAnotherDay(
        lambda *arguments, **more: ward(*arguments, environment=clock.environment, **more), binary, tmp_path / "house")
    made.folder.mkdir()
    made.environment, made.set = clock.environment, clock.set
    made.init()
    made.add_client("administrator", "administrator")
    yield made
    made.kill()


def daily(house):
    return [event for event in house.events("--kind", "store-verified") if event["decision"] == "daily"]


def status(house):
    return json.loads(house.ward("verify", "--status", "--json").stdout)


def restarted_at(house, seconds):
    """How many daily verifications there are some seconds after a start at that time."""
    house.stop()
    house.set(seconds)
    house.start()
    time.sleep(5)
    return len(daily(house))


def test_a_new_store_is_verified_after_ten_minutes_and_not_before(house):
    house.start()
    time.sleep(5)
    assert daily(house) == [] and "lastFull" not in status(house)
    house.set(550)
    time.sleep(LOOK - 15)
    assert daily(house) == [], "nine minutes"
    house.set(700)
    (event,) = wait_until(lambda: daily(house), timeout=LOOK, interval=1, what="the first verification")
    assert event["outcome"] == "success" and not event.get("who")
    assert status(house)["lastFull"][:16] == event["time"][:16]
    assert [line for line in house.log_lines() if line["message"] == "store verified"]
    time.sleep(LOOK - 15)
    assert len(daily(house)) == 1, "once"


def test_it_is_verified_again_after_a_day_also_where_the_server_was_down(house):
    assert house.ward("verify", "--client", "administrator").returncode == 0
    assert restarted_at(house, 0) == 0, "verified by hand a moment ago"
    assert restarted_at(house, DAY - 600) == 0, "ten minutes less than a day"
    assert restarted_at(house, DAY + 60) == 1
    assert restarted_at(house, DAY + 3600) == 1, "not twice a day"
    assert restarted_at(house, 30 * DAY) == 2, "one for a month, not thirty"


def test_it_is_verified_in_a_running_server_when_the_day_is_over(house):
    assert house.ward("verify", "--client", "administrator").returncode == 0
    house.start()
    house.set(DAY - 300)
    time.sleep(LOOK - 15)
    assert daily(house) == []
    house.set(DAY + 30)
    assert wait_until(lambda: daily(house), timeout=LOOK, interval=1, what="the verification")


def test_a_verification_of_a_time_to_come_counts_for_nothing(house):
    house.set(40 * DAY)
    assert house.ward("verify", "--client", "administrator").returncode == 0
    house.set(0)
    house.start()
    assert wait_until(lambda: daily(house), timeout=LOOK, interval=1, what="the verification")
    time.sleep(LOOK - 15)
    assert len(daily(house)) == 1


def test_a_fault_is_told_and_its_record_is_not_a_verified_one(house):
    from probes import database

    house.add_client("integration", "integration")
    house.start()
    token = house.token("integration")
    fhir = house.stranger(token)
    fhir.session.verify = False
    assert fhir.put("Patient/p1", {"resourceType": "Patient", "id": "p1"}).status_code == 201
    house.stop()
    with database(house) as rows:
        rows.execute("UPDATE version SET body = zeroblob(length(body))")
    house.set(DAY)
    house.start()
    house.set(DAY + 700)
    wait_until(
        lambda: [line for line in house.log_lines() if "faulty" in line["message"]], timeout=LOOK + 20, interval=1,
        what="the line")
    assert daily(house)[0]["outcome"] != "success" or "fault" in daily(house)[0]["decision"]
    assert "lastFull" not in status(house)
