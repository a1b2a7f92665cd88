"""Emergency access in a real browser: who may, what it takes, when it is over, and that nobody gets around the review."""

import json
import os
import subprocess

import pytest
import requests

from probes import database, flip
from test_people import Browser, LINK, chromium, clinic, enrol  # noqa: F401 (fixtures)

DAY = 86_400
TOLD = "Unconscious in the waiting room, no relatives"


def link_for(house, login, *roles, listed=False):
    options = [word for role in roles for word in ("--role", role)]
    done = house.ward(
        "user", "add", login, "--name", f"Dr {login.capitalize()}", *options,
        *(["--emergency-access"] if listed else []))
    assert done.returncode == 0, done.stderr
    return house.invited(LINK.search(done.stdout).group(0), login, roles)


class Clock:
    """The server's clock; only goes forward, as the tests of this file follow each other."""

    def __init__(self, house):
        self.house = house
        self.seconds = 0

    def move(self, seconds):
        self.seconds += seconds
        self.house.move_clock(self.seconds)


@pytest.fixture(scope="module")
def clock(clinic):
    return Clock(clinic)


@pytest.fixture(scope="module")
def staff(clinic, chromium):
    """Everybody with a browser of their own, enrolled with a passkey."""
    made = {}
    for login, roles, listed in [
        ("anna", ["clinician"], True), ("berta", ["clinician"], False), ("tom", ["front-desk"], True),
        ("ruth", ["privacy-officer", "clinician"], True), ("otto", ["privacy-officer"], False),
        ("sara", ["security-officer"], False), ("chief", ["administrator"], False),
    ]:
        made[login] = Browser(chromium, clinic.origin)
        enrol(made[login], link_for(clinic, login, *roles, listed=listed))
    yield made
    for browser in made.values():
        browser.context.close()


def sign_in(browser):
    browser.open("/sign-in")
    if "/app" not in browser.page.url:
        browser.press("Sign in with a passkey")
        browser.page.wait_for_url("**/app")


def confirm(browser, path):
    """Opens a page that asks for a fresh proof, and shows it."""
    browser.open(path)
    for button in ["Unlock with a passkey", "Confirm with a passkey"]:
        if browser.page.get_by_role("button", name=button).count():
            browser.press(button)
            browser.page.get_by_role("button", name=button).wait_for(state="detached")
            browser.page.wait_for_url(f"**{path}")
            browser.page.wait_for_load_state()


def sneak(clinic, browser, path, **form):
    """Sends a form past the page, with the session's cookies and its form token."""
    if not browser.page.url.startswith(clinic.origin + "/app"):
        browser.open("/app")
    token = browser.page.locator("input[name=form]").first.get_attribute("value")
    cookies = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}
    return requests.post(
        clinic.origin + path, data={"form": token, **form}, cookies=cookies, headers={"Origin": clinic.origin},
        verify=str(clinic.authority), allow_redirects=False, timeout=10)


def declare(browser, patient, reason="Danger to life or limb", text=TOLD):
    confirm(browser, "/app/emergency")
    browser.page.get_by_label("Patient’s record number").fill(patient)
    browser.page.get_by_label(reason).check()
    browser.page.get_by_label("What is happening").fill(text)
    browser.press("Open the record for 60 minutes")
    browser.page.get_by_text("Open now").wait_for()


def emergencies(clinic):
    done = clinic.ward("emergency", "list", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def logged(clinic, *filters):
    """Events, newest first, asked for by the server's clock: a client's assertion from another day is refused."""
    done = subprocess.run(
        [str(clinic.binary), "audit", "search", "--client", "administrator", "--json", "--limit", "99",
         "--data", str(clinic.data), *filters],
        cwd=clinic.folder, capture_output=True, text=True, timeout=60, env={**os.environ, **clinic.environment})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


FORM = {"patient": "p1", "reason": "life-threatening", "text": TOLD}


@pytest.mark.parametrize("login", ["berta", "tom", "otto", "sara", "chief"])
def test_whoever_is_not_listed_or_does_not_treat_is_refused(clinic, staff, login):
    browser = staff[login]
    assert browser.open("/app/emergency").status == 403
    browser.open("/app")
    assert browser.page.get_by_role("link", name="Emergency", exact=True).count() == 0
    assert sneak(clinic, browser, "/app/emergency", **FORM).status_code == 403
    assert emergencies(clinic) == []
    assert any(
        event["kind"] == "request-refused" and event["outcome"] == "denied"
        and event["decision"].startswith("open-emergency/") for event in logged(clinic))


def test_without_a_reason_there_is_none(clinic, staff):
    browser = staff["anna"]
    confirm(browser, "/app/emergency")
    assert browser.faults() == []
    browser.page.get_by_label("Patient’s record number").fill("p1")
    browser.page.evaluate("document.querySelector('form[action=\"/app/emergency\"]').noValidate = true")
    browser.press("Open the record for 60 minutes")
    browser.page.get_by_text("This did not work").wait_for()
    assert "Choose why it cannot wait" in browser.page.inner_text("main")
    # What was typed is still there, and the page is usable without a mouse.
    assert browser.page.get_by_label("Patient’s record number").input_value() == "p1"
    assert browser.page.evaluate("document.activeElement.id") == "errors"
    assert browser.faults() == []
    for change in [
        {"text": ""}, {"text": "too short"}, {"text": " " * 40}, {"text": "x" * 2001}, {"reason": ""},
        {"reason": "curious"}, {"patient": ""}, {"patient": "../p1"}, {"patient": "Patient/p1"},
    ]:
        assert sneak(clinic, browser, "/app/emergency", **{**FORM, **change}).status_code == 422, change
    assert emergencies(clinic) == []


def test_an_old_sign_in_leads_to_a_proof_first(clinic, staff, clock):
    browser = staff["anna"]
    clock.move(301)
    answer = sneak(clinic, browser, "/app/emergency", **FORM)
    assert answer.status_code == 303 and answer.headers["Location"].startswith("/app/step-up?back=/app/continue/")
    assert emergencies(clinic) == []
    browser.open("/app/emergency")
    assert browser.page.get_by_label("What is happening").count() == 0
    assert browser.faults() == []
    confirm(browser, "/app/emergency")
    assert browser.page.get_by_label("What is happening").count() == 1


def test_it_is_told_at_once_and_is_over_after_an_hour(clinic, staff, clock):
    anna, otto = staff["anna"], staff["otto"]
    declare(anna, "p1")
    assert anna.faults() == []
    assert "60 minutes" in anna.page.inner_text("main")
    # On every other page: that it is so, and nothing of the patient.
    anna.open("/app")
    assert "1 record is open to you" in anna.page.inner_text("header") and "p1" not in anna.page.inner_text("body")
    assert anna.faults() == []
    otto.open("/app")
    assert "Emergencies (1)" in otto.page.inner_text("nav")
    otto.page.get_by_role("link", name="Emergencies (1)", exact=True).click()
    assert "Dr Anna" in otto.page.inner_text("main") and "running until" in otto.page.inner_text("main")
    assert otto.faults() == []
    opened = logged(clinic, "--kind", "emergency-opened")
    assert len(opened) == 1 and opened[0]["patients"] == ["p1"] and opened[0]["decision"] == "life-threatening"
    assert [event["index"] for event in logged(clinic, "--emergency", opened[0]["emergency"])] == [opened[0]["index"]]
    assert sneak(clinic, anna, "/app/emergency", **FORM).status_code == 409
    assert emergencies(clinic)[0]["state"] == "running"
    for _ in range(4):
        clock.move(14 * 60)
        anna.open("/app")
        assert "1 record is open to you" in anna.page.inner_text("header")
    clock.move(4 * 60 + 1)
    anna.open("/app")
    assert "open to you" not in anna.page.inner_text("header")
    confirm(anna, "/app/emergency")
    assert "Open now" not in anna.page.inner_text("main")
    assert emergencies(clinic)[0]["state"] == "to-review"
    canary = clinic.log_file.read_text() + clinic.errors()
    assert "waiting room" not in canary and "life-threatening" not in canary


def test_it_can_be_ended_early_by_its_person_and_by_nobody_without_the_right(clinic, staff, clock):
    anna = staff["anna"]
    declare(anna, "p2", "In place of a colleague who is absent")
    running = emergencies(clinic)[0]
    assert running["state"] == "running"
    # Others neither by the page of one's own, nor by the officers'.
    sign_in(staff["berta"])
    assert sneak(clinic, staff["berta"], "/app/emergency/end", emergency=running["id"]).status_code == 403
    assert sneak(clinic, staff["berta"], f"/app/emergencies/{running['id']}/end").status_code == 403
    assert emergencies(clinic)[0]["state"] == "running"
    anna.open("/app/emergency")
    anna.press("End now")
    anna.page.wait_for_url("**/app/emergency")
    assert "Open now" not in anna.page.inner_text("main")
    assert emergencies(clinic)[0]["state"] == "to-review"


def test_nobody_reviews_their_own(clinic, staff, clock):
    ruth, otto = staff["ruth"], staff["otto"]
    sign_in(ruth)
    declare(ruth, "p3", "Medical emergency that needs substance use disorder records")
    own = next(each for each in emergencies(clinic) if each["patient"] == "p3")
    assert own["reason"] == "part2-medical-emergency"
    ruth.open(f"/app/emergencies/{own['id']}")
    assert "somebody else has to review it" in ruth.page.inner_text("main")
    # An officer ends it; the person still cannot close it.
    sign_in(otto)
    confirm(otto, f"/app/emergencies/{own['id']}")
    otto.press("End it now")
    otto.page.get_by_label("Appropriate", exact=True).wait_for()
    assert otto.faults() == []
    confirm(ruth, "/app/emergency")
    answer = sneak(clinic, ruth, f"/app/emergencies/{own['id']}/review", outcome="appropriate", note="It was fine")
    assert answer.status_code == 403
    assert next(each for each in emergencies(clinic) if each["patient"] == "p3")["state"] == "to-review"


def test_a_late_review_stays_on_top_until_it_is_done(clinic, staff, clock):
    otto = staff["otto"]
    clock.move(5 * DAY)
    # Who has one that is late goes on working.
    sign_in(staff["anna"])
    sign_in(otto)
    assert "Emergencies (3)" in otto.page.inner_text("nav")
    confirm(otto, "/app/emergencies")
    text = otto.page.inner_text("main")
    assert "3 reviews are overdue" in text and text.index("overdue") < text.index("Dr Anna")
    assert otto.page.locator("main button").count() == 0
    assert otto.faults() == []
    assert [each["state"] for each in emergencies(clinic)] == ["overdue"] * 3
    posture = json.loads(clinic.ward("posture", "--json").stdout)
    row, = [each for each in posture["rows"] if each["id"] == "emergency-reviews"]
    assert row["result"] == "gap" and row["found"].startswith("3 reviews are overdue")
    late = emergencies(clinic)[-1]
    path = f"/app/emergencies/{late['id']}"
    confirm(otto, path)
    assert TOLD in otto.page.inner_text("main") and otto.faults() == []
    for form in [{}, {"outcome": "appropriate"}, {"outcome": "dismissed", "note": "x"}, {"note": "seen"}]:
        assert sneak(clinic, otto, f"{path}/review", **form).status_code == 422, form
    for verb in ["/dismiss", "/delete"]:
        assert sneak(clinic, otto, path + verb).status_code == 404
    cookies = {cookie["name"]: cookie["value"] for cookie in otto.context.cookies()}
    assert requests.delete(
        clinic.origin + path, cookies=cookies, verify=str(clinic.authority), timeout=10).status_code in (404, 405)
    assert [each["state"] for each in emergencies(clinic)] == ["overdue"] * 3
    otto.open(path)
    otto.page.get_by_label("Appropriate", exact=True).check()
    otto.page.get_by_label("Note").fill("Read the chart, asked Dr Anna")
    otto.press("Record the review")
    otto.page.wait_for_url("**/app/emergencies")
    assert "2 reviews are overdue" in otto.page.inner_text("main")
    assert "Read the chart" not in otto.page.inner_text("main")
    otto.open(path)
    assert otto.page.get_by_role("button", name="Record the review").count() == 0
    assert sneak(clinic, otto, f"{path}/review", outcome="not-appropriate", note="again").status_code == 404
    # At the machine: confirmed by an officer, and said so.
    other = emergencies(clinic)[0]
    refused = clinic.ward("emergency", "review", other["id"], "--outcome", "fine", "--note", "x")
    assert refused.returncode == 1 and "not-appropriate" in refused.stderr
    empty = clinic.ward("emergency", "review", other["id"], "--outcome", "needs-follow-up", stdin=" \n")
    assert empty.returncode == 1 and "note is needed" in empty.stderr
    done = clinic.ward("emergency", "review", other["id"], "--outcome", "needs-follow-up", stdin="ask her\nand him\n")
    assert done.returncode == 0, done.stderr
    reviews = logged(clinic, "--kind", "emergency-reviewed")
    assert reviews[0]["who"].startswith("person/") and reviews[0]["who"] != reviews[0]["subject"] and len(reviews) == 2
    assert all(event["subject"].startswith("person/") for event in reviews)


def test_officers_see_sessions_of_others_and_end_them(clinic, staff, clock):
    sara, anna = staff["sara"], staff["anna"]
    sign_in(sara)
    sign_in(anna)
    for login in ["otto", "anna", "chief"]:
        sign_in(staff[login])
        assert staff[login].open("/app/all-sessions").status == 403
    confirm(sara, "/app/all-sessions")
    assert sara.faults() == [] and "Dr Anna" in sara.page.inner_text("main")
    sara.page.get_by_role("row").filter(has_text="Dr Anna").filter(has_text="open").get_by_role(
        "button", name="End", exact=True).first.click()
    sara.page.wait_for_url("**/app/all-sessions")
    anna.open("/app")
    assert "/sign-in" in anna.page.url
    sign_in(anna)
    listed = clinic.ward("user", "sessions", "anna", "--json")
    numbers = [json.loads(line)["number"] for line in listed.stdout.splitlines()]
    assert numbers and listed.returncode == 0
    assert clinic.ward("user", "end", "anna", "--session", "0" * 12).returncode == 1
    assert clinic.ward("user", "end", "anna").returncode == 0
    anna.open("/app")
    assert "/sign-in" in anna.page.url
    assert clinic.ward("user", "sessions", "anna", "--json").stdout == ""


def test_access_is_reviewed_once_a_quarter_by_somebody_else(clinic, staff, clock):
    otto, ruth = staff["otto"], staff["ruth"]
    sign_in(otto)
    clock.move(93 * DAY)
    sign_in(otto)
    assert "overdue" in otto.page.inner_text("nav")
    confirm(otto, "/app/access-review")
    assert otto.faults() == [] and "Dr Berta" in otto.page.inner_text("main")
    otto.page.get_by_role("row").filter(has_text="Dr Ruth").get_by_role("link", name="Review").click()
    if otto.page.get_by_role("button", name="Confirm with a passkey").count():
        otto.press("Confirm with a passkey")
    otto.page.get_by_role("button", name="Confirm what they have").wait_for()
    text = otto.page.inner_text("main")
    assert "not within 90 days" in text and "See health records" in text
    assert otto.faults() == []
    path = "/" + otto.page.url.split("/", 3)[3]
    for form in [{}, {"decision": "remove"}, {"decision": "remove", "remove": "nurse", "reason": "x"},
                 {"decision": "remove", "remove": "clinician"}, {"decision": "confirm", "remove": "clinician"}]:
        assert sneak(clinic, otto, path, **form).status_code in (404, 422), form
    otto.page.get_by_label("Clinician is not needed any more").check()
    otto.page.get_by_label("Why").fill("Does not treat patients any more")
    otto.press("Ask to take it away")
    otto.page.wait_for_url("**/app/access-review")
    # Nothing has changed until somebody else decides.
    sign_in(ruth)
    assert "Clinician" in ruth.page.inner_text("main")
    own = ruth.open(path)
    assert own.status == 200 and ruth.page.get_by_role("button", name="Confirm what they have").count() == 0
    chief = staff["chief"]
    sign_in(chief)
    confirm(chief, "/app/people")
    chief.press("Approve")
    if "step-up" in chief.page.url:
        chief.press("Confirm with a passkey")
        chief.page.wait_for_url("**/app/people")
        chief.press("Approve")
    chief.page.wait_for_url("**/app/people")
    ruth.open("/app")
    assert "/sign-in" in ruth.page.url
    lines = clinic.ward("access", "review", "--json").stdout.splitlines()
    people = {each["login"]: each for each in map(json.loads, lines)}
    assert people["ruth"]["roles"] == ["privacy-officer"] and not people["ruth"]["overdue"]
    assert people["berta"]["overdue"]
    rights = {each["right"]: each for each in people["berta"]["rights"]}
    assert rights["see-clinical"]["use"] == "never" and "manage-people" not in rights
    assert {event["kind"] for event in logged(clinic, "--about", "ruth")} >= {"access-reviewed", "roles-granted"}


def test_an_entry_changed_on_the_disk_is_refused(clinic, staff):
    clinic.stop()

    def starts():
        environment, clinic.environment = clinic.environment, {}
        done = subprocess.run(
            [str(clinic.binary), "emergency", "list", "--data", str(clinic.data)], capture_output=True, text=True,
            timeout=60)
        clinic.environment = environment
        return done

    assert starts().returncode == 0
    with database(clinic) as rows:
        entries = rows.execute("SELECT id, sealed FROM entry WHERE kind = 20").fetchall()
    assert len(entries) == 3
    place, sealed = entries[0]
    for statement, values in [
        ("UPDATE entry SET sealed = ? WHERE kind = 20 AND id = ?", (flip(sealed), place)),
        ("UPDATE entry SET sealed = ? WHERE kind = 20 AND id = ?", (entries[1][1], place)),
        ("DELETE FROM entry WHERE kind = 20 AND id = ?", (place,)),
        ("DELETE FROM entry WHERE kind = 20", ()),
    ]:
        with database(clinic) as rows:
            rows.execute(statement, values)
        refused = starts()
        assert refused.returncode != 0 and refused.stdout == "", statement
        if statement.startswith("DELETE"):
            assert "keep the folder as evidence" in refused.stderr
        with database(clinic) as rows:
            rows.executemany("INSERT OR REPLACE INTO entry (kind, id, sealed) VALUES (20, ?, ?)", entries)
    assert starts().returncode == 0
