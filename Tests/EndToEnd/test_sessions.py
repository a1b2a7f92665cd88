"""The lock loses no work, and lets no app go on without its person."""

import re

import pytest

from test_people import Browser, chromium, clinic, enrol, link_for  # noqa: F401 (fixtures)
from test_smart import Clinic

LOCKED = 15 * 60 + 10


@pytest.fixture
def person(clinic, chromium):  # noqa: F811
    """Makes people with browsers of their own."""
    made = []

    def make(login, *roles):
        browser = Browser(chromium, clinic.origin)
        made.append(browser)
        enrol(browser, link_for(clinic, login, *roles))
        return browser

    yield make
    clinic.move_clock(0)
    for browser in made:
        browser.context.close()


def fill_in(browser, login, name):
    browser.page.get_by_label("Sign-in name").fill(login)
    browser.page.locator("#shown").fill(name)


def logins(clinic):  # noqa: F811
    return clinic.ward("user", "list").stdout


def unlock(browser):
    browser.press("Unlock with a passkey")
    browser.page.wait_for_url(re.compile(r"^https://[^/]+/app/continue/\w+$"))


def test_a_form_sent_after_the_lock_is_shown_again_and_sent_by_one_button(clinic, person):  # noqa: F811
    browser = person("chief", "administrator")
    browser.open("/app/people")
    fill_in(browser, "kern", "Kern <b>")
    # The script would leave by itself: here it comes too late.
    browser.page.route("**/app/ping", lambda route: route.abort())
    clinic.move_clock(LOCKED)
    browser.press("Add")
    browser.page.wait_for_url(re.compile("/app/locked"))
    assert "What you sent was not done yet" in browser.page.inner_text("main")
    assert "kern" not in browser.page.inner_text("body").lower()
    assert browser.faults() == [] and browser.stored() == [[], [], 0, 0, ""]
    unlock(browser)
    assert "Continue what you were doing" in browser.page.inner_text("h1")
    assert "Kern <b>" in browser.page.inner_text("main") and browser.faults() == []
    assert "kern" not in logins(clinic)
    place = browser.page.url
    browser.press("Send it now")
    browser.page.wait_for_url("**/app/people/*")
    assert "kern" in logins(clinic)
    browser.page.goto("about:blank")
    assert browser.page.goto(place).status == 404


def test_what_was_typed_and_not_sent_is_kept_as_well(clinic, person):  # noqa: F811
    browser = person("typist", "administrator")
    browser.open("/app/people")
    fill_in(browser, "halfway", "Half Way")
    clinic.move_clock(LOCKED)
    # Whoever comes back to the window sees the lock.
    browser.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    browser.page.wait_for_url(re.compile("/app/locked"))
    unlock(browser)
    assert "Half Way" in browser.page.inner_text("main") and "halfway" not in logins(clinic)
    browser.press("Drop it")
    browser.page.wait_for_url("**/app")
    assert "halfway" not in logins(clinic)


def test_a_password_is_never_kept(clinic, person):  # noqa: F811
    browser = person("careful", "clinician")
    browser.open("/app/account/password")
    browser.page.locator("#password").fill("canary canary canary canary")
    clinic.move_clock(LOCKED)
    browser.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    browser.page.wait_for_url(re.compile("/app/locked"))
    assert "continue" not in browser.page.url
    assert "What you sent" not in browser.page.inner_text("main")


def test_a_kept_form_outlives_a_restart_and_ends_with_its_session(clinic, person):  # noqa: F811
    browser = person("stayer", "administrator")
    browser.open("/app/people")
    fill_in(browser, "survivor", "Sur Vivor")
    browser.page.route("**/app/ping", lambda route: route.abort())
    clinic.move_clock(LOCKED)
    browser.press("Add")
    browser.page.wait_for_url(re.compile("/app/locked"))
    assert b"Sur Vivor" not in b"".join(path.read_bytes() for path in clinic.data.rglob("*") if path.is_file())
    clinic.restart()
    browser.page.reload()
    unlock(browser)
    assert "Sur Vivor" in browser.page.inner_text("main")
    place = browser.page.url
    browser.press("Sign out")
    browser.page.wait_for_url("**/sign-in*")
    browser.press("Sign in with a passkey")
    browser.page.wait_for_url("**/app")
    browser.page.goto("about:blank")
    assert browser.page.goto(place).status == 404
    assert "survivor" not in logins(clinic)


@pytest.fixture(scope="module")
def smart(houses):
    return Clinic(houses())


def test_an_app_stops_with_the_lock_and_goes_on_with_the_same_token(smart, chromium):  # noqa: F811
    browser = Browser(chromium, smart.origin)
    enrol(browser, link_for(smart.house, "lara", "clinician"))
    cookies = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}
    app = smart.app()
    answer = smart.consent(app, cookies, scope="user/Patient.rs")
    tokens = smart.exchange(app, answer["code"]).json()
    bearer = f"Bearer {tokens['access_token']}"
    assert smart.get("Patient", bearer).status_code == 200
    browser.open("/app")
    browser.press("Lock")
    browser.page.wait_for_url(re.compile("/app/locked"))
    for _ in range(3):
        refused = smart.get("Patient", bearer)
        assert refused.status_code == 401 and "Patient/" not in refused.text
        assert 'error="insufficient_user_authentication"' in refused.headers["WWW-Authenticate"]
    # Nobody else's token is told that.
    assert "error" not in smart.get("Patient", "Bearer x" * 3).headers["WWW-Authenticate"]
    # What the app asks keeps nothing awake, and is in the log once.
    noted = [event for event in smart.house.events("--kind", "request-refused") if event["decision"] == "session-locked"]
    assert len(noted) == 1 and noted[0]["outcome"] == "denied"
    browser.press("Unlock with a passkey")
    browser.page.wait_for_url(f"{smart.origin}/app")
    assert smart.get("Patient", bearer).status_code == 200
    browser.press("Sign out")
    browser.page.wait_for_url("**/sign-in*")
    ended = smart.get("Patient", bearer)
    assert ended.status_code == 401 and "error" not in ended.headers["WWW-Authenticate"]
    browser.context.close()
