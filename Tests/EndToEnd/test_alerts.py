"""T-ALERT: planted patterns of odd access alert within five seconds of the event, over the real binary."""

import datetime
import json

import pytest

from conftest import wait_until
from test_emergency import declare
from test_people import Browser, chromium, enrol, link_for  # noqa: F401 (fixture)

WITHIN = 5


@pytest.fixture(scope="module")
def watched(houses):
    """A store whose server believes a proxy on this machine, so that a test can come from anywhere."""
    return houses(options=("--proxy", "127.0.0.1"))


def alerts(house):
    done = house.ward("alerts", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def alert_of(house, rule, who=None, known=()):
    """Waits for a new alert, and holds the time it was kept against the time of its newest event."""

    def find():
        return next(
            (each for each in alerts(house)
             if each["rule"] == rule and each["id"] not in known and (who is None or each.get("who") == who)), None)

    alert = wait_until(find, timeout=20, interval=0.2, what=f"an alert of {rule}")
    events = {event["index"]: event for event in house.events()}
    raised = next(
        event for event in events.values() if event["kind"] == "alert-raised" and alert["id"] in event["decision"])
    newest = events[max(alert["events"])]
    assert 0 <= seconds(raised["time"]) - seconds(newest["time"]) <= WITHIN, (newest, raised)
    assert alert["explanation"] and all(alert["explanation"])
    return alert


def person(number, family="Quiet"):
    return {"resourceType": "Patient", "name": [{"family": family, "given": [f"P{number}"]}]}


def test_ordinary_work_raises_nothing(watched):
    client = watched.client("integration")
    for number in range(5):
        stored = client.create(person(number))
        assert client.get(f"Patient/{stored['id']}").status_code == 200
    watched.stranger("wrong").get("Patient")
    assert alerts(watched) == []


def test_a_burst_of_failed_sign_ins(watched):
    stranger = watched.stranger("wrong", address="127.0.0.9")
    for _ in range(15):
        stranger.get("Patient")
    alert = alert_of(watched, "failed-sign-ins")
    assert "patient" not in alert


def test_records_that_are_not_there(watched):
    client = watched.client("clinician")
    for number in range(15):
        assert client.get(f"Patient/guess-{number}").status_code == 404
    alert = alert_of(watched, "wandering", "client/clinician")
    assert len(alert["events"]) >= 12


def test_a_planted_record(watched):
    done = watched.ward(
        "watch", "decoy", "plant", "--count", "2", "--json", "--client", "integration")
    assert done.returncode == 0, done.stderr
    ids = [json.loads(line)["id"] for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(ids) == 2
    # Over the API it is a record as any other.
    record = watched.client("integration", "system/Patient.rs").get(f"Patient/{ids[0]}").json()
    assert set(record) <= {"resourceType", "id", "meta", "active", "name", "telecom", "gender", "birthDate", "address"}
    assert "security" not in record["meta"] and "tag" not in record["meta"]
    alert_of(watched, "decoy", "client/integration")
    assert watched.client("clinician").get(f"Patient/{ids[1]}").status_code == 200
    alert_of(watched, "decoy", "client/clinician")


def test_a_mass_export(watched, tmp_path):
    lines = tmp_path / "many.ndjson"
    lines.write_text("".join(json.dumps({**person(number), "id": f"many-{number}"}) + "\n" for number in range(150)))
    done = watched.ward("import", lines, "--client", "integration")
    assert done.returncode == 0, done.stderr
    done = watched.ward("export", "--out", tmp_path / "out", "--types", "Patient", "--client", "integration")
    assert done.returncode == 0, done.stderr
    alert_of(watched, "mass-export", "client/integration")


def test_an_answer_teaches_and_the_log_tells(watched):
    alert = next(each for each in alerts(watched) if each["rule"] == "mass-export")
    refused = watched.ward("alerts", "dismiss", alert["id"], "--reason", "expected", stdin="")
    assert refused.returncode == 1 and "needs --reason" in refused.stderr
    done = watched.ward("alerts", "dismiss", alert["id"], "--reason", "expected", "--text", "the yearly copy")
    assert done.returncode == 0, done.stderr
    again = watched.ward("alerts", "acknowledge", alert["id"])
    assert again.returncode == 1 and "decided" in again.stderr
    rules = [json.loads(line) for line in watched.ward("alerts", "rules", "--json").stdout.splitlines()]
    learnt = {rule["rule"]: rule["learnt"] for rule in rules}
    assert learnt["mass-export"] == [{"of": "client/integration", "steps": 1, "most": 4}]
    assert learnt["decoy"] == []
    answered = next(event for event in watched.events() if event["kind"] == "alert-answered")
    assert answered["decision"] == f"dismiss/{alert['id']}"


def test_a_planted_record_is_never_learnt_away(watched):
    alert = next(each for each in alerts(watched) if each["rule"] == "decoy")
    done = watched.ward("alerts", "dismiss", alert["id"], "--reason", "expected", "--text", "my own test")
    assert done.returncode == 0, done.stderr
    rules = [json.loads(line) for line in watched.ward("alerts", "rules", "--json").stdout.splitlines()]
    assert all(rule["learnt"] == [] for rule in rules if rule["rule"] == "decoy")


def test_alerts_outlive_a_crash_and_none_comes_twice(watched):
    before = alerts(watched)
    watched.kill()
    watched.start("--proxy", "127.0.0.1")
    client = watched.client("clinician")
    assert client.get("Patient/not-there").status_code == 404
    assert [each["id"] for each in alerts(watched)] == [each["id"] for each in before]


def test_a_new_device_on_a_new_network_and_the_pages(watched, chromium):
    known = [each["id"] for each in alerts(watched)]
    anna = Browser(chromium, watched.origin)
    anna.context.set_extra_http_headers({"X-Forwarded-For": "192.0.2.20"})
    enrol(anna, link_for(watched, "anna", "clinician"))
    anna.open("/app")
    anna.press("Sign out")
    anna.page.wait_for_url("**/sign-in*")
    anna.context.clear_cookies()
    anna.context.set_extra_http_headers({"X-Forwarded-For": "198.51.100.77"})
    anna.open("/sign-in")
    anna.press("Sign in with a passkey")
    anna.page.wait_for_url("**/app")
    # A browser without her mark, on a network that she never used: one alert, of the new device.
    alert = alert_of(watched, "new-device", known=known)
    assert [each["rule"] for each in alerts(watched) if each["id"] not in known] == ["new-device"]
    assert alert["severity"] in ("medium", "high")
    said = " ".join(alert["explanation"])
    assert "a device this person has not used before" in said
    assert "a network this person has not used before" in said
    # The clinician has no part in it; officers do.
    anna.open("/app/alerts")
    assert anna.page.get_by_text("Your roles do not include this.").count() == 1
    sara = Browser(chromium, watched.origin)
    sara.context.set_extra_http_headers({"X-Forwarded-For": "192.0.2.20"})
    enrol(sara, link_for(watched, "sara", "security-officer"))
    sara.open("/app/alerts")
    assert "Alerts (" in sara.page.inner_text("nav")
    assert sara.faults() == []
    sara.open(f"/app/alerts/{alert['id']}")
    assert "a network this person has not used before" in sara.page.inner_text("main")
    assert sara.faults() == []
    sara.press("I look at it")
    sara.page.wait_for_load_state()
    sara.press("End the person's sessions and apps now")
    sara.page.wait_for_load_state()
    shown = next(each for each in alerts(watched) if each["id"] == alert["id"])
    assert [line["act"] for line in shown["timeline"]] == ["acknowledge", "suspend"]
    anna.open("/app")
    anna.page.wait_for_url("**/sign-in*")
    anna.context.close()
    sara.context.close()


def test_an_emergency(watched, chromium):
    done = watched.ward("user", "add", "rosa", "--name", "Dr Rosa", "--role", "clinician", "--emergency-access")
    assert done.returncode == 0, done.stderr
    rosa = Browser(chromium, watched.origin)
    rosa.context.set_extra_http_headers({"X-Forwarded-For": "192.0.2.20"})
    enrol(rosa, next(word for word in done.stdout.split() if "/enrol/" in word))
    patient = watched.client("integration").create(person(999))["id"]
    declare(rosa, patient)
    alert = alert_of(watched, "emergency")
    assert alert["patient"] == patient
    rosa.context.close()
