"""The pages of the log in a real browser: layout, a patient's own record, print, posture."""

import pytest

from enrolment import enrol_by_password
from test_people import LINK, Browser, chromium  # noqa: F401 (fixture)

RECORDS = [f"anna-long-identifier-{number}" for number in range(6)]


@pytest.fixture(scope="module")
def clinic(houses):
    house = houses()
    fhir = house.client("integration")
    for record in RECORDS:
        assert fhir.put(f"Patient/{record}", {"resourceType": "Patient", "id": record}).status_code == 201
        assert fhir.get(f"Patient/{record}").status_code == 200
    assert fhir.get("Patient?_count=5").status_code == 200
    return house


def account(clinic, login, role, *more):
    done = clinic.ward("user", "add", login, "--name", f"Dr {login.capitalize()} of the Long Name", "--role", role, *more)
    assert done.returncode == 0, done.stderr
    return enrol_by_password(clinic, LINK.search(done.stdout).group(0))[0]


@pytest.fixture(scope="module")
def officer(clinic):
    return account(clinic, "otto", "privacy-officer", "--clearance", "checked")


@pytest.fixture(scope="module")
def patient(clinic):
    return account(clinic, "mira", "patient", "--patient", RECORDS[0])


@pytest.fixture
def browser(chromium, clinic):  # noqa: F811
    made = Browser(chromium, clinic.origin)
    yield made
    made.context.close()


def signed_in(browser, visitor):
    """The visitor's session in a browser that shows pages."""
    browser.context.add_cookies([
        {"name": cookie.name, "value": cookie.value, "url": browser.origin, "secure": True, "httpOnly": True,
         "sameSite": "Strict"} for cookie in visitor.session.cookies])
    return browser


def complaints(browser):
    """What the browser complains of; that there is no icon is no fault."""
    return [problem for problem in browser.problems if "404" not in problem]


@pytest.mark.parametrize("width", [1280, 1440, 320])
def test_no_time_is_broken_and_nothing_sticks_out(browser, officer, width):
    signed_in(browser, officer)
    browser.page.set_viewport_size({"width": width, "height": 900})
    for path in ("/app/log", "/app/log?kind=read", f"/app/log/patient/{RECORDS[0]}", "/app/activity", "/app/alerts"):
        assert browser.open(path).status == 200
        lines, overflow = browser.page.evaluate(
            """() => [Math.max(1, ...[...document.querySelectorAll('td time')].map(each => each.getClientRects().length)),
                      document.documentElement.scrollWidth - window.innerWidth]""")
        assert lines == 1 and overflow <= 0, (path, lines, overflow)
    assert browser.faults() == [] and complaints(browser) == []


def test_a_patient_reads_who_opened_their_record_and_nobody_elses(clinic, browser, patient):
    signed_in(browser, patient)
    assert browser.open("/app/my-record").status == 200
    text = browser.page.inner_text("main")
    assert "integration" in text and "read the personal details" in text
    for hidden in RECORDS[1:] + ["127.0.0.1"]:
        assert hidden not in text
    assert browser.faults() == []
    for path in (f"/app/my-record?patient={RECORDS[1]}", f"/app/my-record/csv?patient={RECORDS[1]}"):
        assert patient.get(path).status_code == 403
    for path in ("/app/log", "/app/log/csv", f"/app/log/patient/{RECORDS[0]}", f"/app/log/patient/{RECORDS[0]}/csv",
                 "/app/activity", "/app/alerts"):
        assert patient.get(path).status_code == 403, path
    looks = clinic.events("--patient", RECORDS[0], "--kind", "audit-read")
    assert looks and looks[0]["decision"] == "own-accesses"


def test_the_browsers_own_command_prints_no_list_and_the_button_is_in_the_log_first(clinic, browser, patient):
    signed_in(browser, patient)
    browser.page.add_init_script("window.print = () => { window.printed = true; }")
    browser.open("/app/my-record")
    browser.page.emulate_media(media="print")
    assert "read the personal details" not in browser.page.inner_text("main")
    browser.page.emulate_media(media="screen")
    assert not clinic.events("--kind", "print") and not browser.page.evaluate("window.printed")
    browser.press("Print")
    browser.page.wait_for_url("**/app/my-record/print")
    assert browser.page.evaluate("window.printed")
    browser.page.emulate_media(media="print")
    assert "read the personal details" in browser.page.inner_text("main")
    (event,) = clinic.events("--kind", "print")
    assert event["patients"] == [RECORDS[0]] and event["who"].startswith("person/")
    with_file = patient.get("/app/my-record/csv")
    assert with_file.status_code == 200 and "attachment" in with_file.headers["Content-Disposition"]
    assert len(clinic.events("--kind", "download")) == 1
    assert complaints(browser) == []


def test_an_officer_sees_that_the_log_is_unwitnessed(browser, officer, clinic):
    signed_in(browser, officer)
    browser.open("/app/activity")
    text = browser.page.inner_text("main")
    assert "The log is unwitnessed: no witness is named" in text and "held against the log" in text
    assert browser.faults() == []
    assert account(clinic, "nina", "nurse", "--clearance", "checked").get("/app/activity").status_code == 403
