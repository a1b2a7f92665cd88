"""People in a real browser: enrolment, passkeys by a virtual authenticator, sessions, the lock, what is left behind."""

import re

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from conftest import enrolled
from shifted_clock import ShiftedClock

LINK = re.compile(r"https://localhost:\d+/enrol/\S+")


@pytest.fixture(scope="module")
def clinic(houses, tmp_path_factory):
    """A store whose server has a clock that the test can move on."""
    house = houses(start=False)
    clock = ShiftedClock(tmp_path_factory.mktemp("clock"))
    house.environment, house.move_clock = clock.environment, clock.set
    house.start()
    return house


def link_for(house, login, *roles):
    options = [word for role in roles for word in ("--role", role)]
    done = house.ward("user", "add", login, "--name", f"Dr {login.capitalize()}", *options)
    assert done.returncode == 0, done.stderr
    return house.invited(LINK.search(done.stdout).group(0), login, roles)


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


class Browser:
    """A browser with an authenticator of its own, as one person has."""

    def __init__(self, chromium, origin):
        self.origin = origin
        self.context = chromium.new_context(ignore_https_errors=True)
        self.page = self.context.new_page()
        self.problems = []
        self.page.on("console", lambda message: message.type == "error" and self.problems.append(message.text))
        session = self.context.new_cdp_session(self.page)
        session.send("WebAuthn.enable")
        self.authenticator = session.send("WebAuthn.addVirtualAuthenticator", {"options": {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True}})["authenticatorId"]
        self.session = session

    def open(self, path):
        # An open page's own script may be about to leave for the lock page: away from it first.
        self.page.goto("about:blank")
        return self.page.goto(self.origin + path)

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def stored(self):
        return self.page.evaluate(
            """async () => [Object.keys(localStorage), Object.keys(sessionStorage),
               (await indexedDB.databases()).length, (await caches.keys()).length, document.cookie]""")

    def faults(self):
        return [fault["id"] for fault in Axe().run(self.page).response["violations"] if fault["impact"] != "minor"]


@pytest.fixture
def browser(chromium, clinic):
    made = Browser(chromium, clinic.origin)
    yield made
    made.context.close()


def enrol(browser, link):
    browser.page.goto(link)
    browser.page.wait_for_url("**/enrol")
    browser.press("Make a passkey")
    browser.page.get_by_text("Your recovery codes").wait_for()
    enrolled(link, browser.page.locator(".codes li").all_inner_texts())


def test_a_passkey_signs_in_and_nothing_stays_in_the_browser(clinic, browser):
    link = link_for(clinic, "anna", "clinician")
    enrol(browser, link)
    assert browser.stored() == [[], [], 0, 0, ""]
    assert browser.faults() == []
    browser.open("/app")
    assert "Dr Anna" in browser.page.inner_text("header")
    browser.press("Sign out")
    browser.page.wait_for_url("**/sign-in*")
    assert browser.faults() == []
    # What was open is not there any more, not even by going back.
    browser.page.go_back()
    browser.page.wait_for_timeout(500)
    assert "Dr Anna" not in browser.page.inner_text("body")
    browser.open("/sign-in")
    browser.press("Sign in with a passkey")
    browser.page.wait_for_url("**/app")
    for path in ["/app", "/app/account", "/app/sessions"]:
        answer = browser.open(path)
        assert answer.status == 200 and browser.faults() == [], path
        headers = answer.headers
        assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "same-origin"
        assert "'unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    cookies = {cookie["name"]: cookie for cookie in browser.context.cookies()}
    assert all(name.startswith("__Host-") for name in cookies)
    assert all(c["httpOnly"] and c["secure"] and c["sameSite"] == "Strict" for c in cookies.values())
    assert browser.stored() == [[], [], 0, 0, ""]
    # The link is used up.
    assert requests.get(link, verify=str(clinic.authority), timeout=10).status_code in (404, 410)


def test_a_session_is_locked_after_fifteen_minutes_and_comes_back_to_the_same_page(clinic, browser):
    enrol(browser, link_for(clinic, "berta", "nurse"))
    try:
        browser.open("/app/sessions")
        clinic.move_clock(14 * 60 + 40)
        assert browser.open("/app/sessions").status == 200 and "/app/sessions" in browser.page.url
        clinic.move_clock(14 * 60 + 40 + 15 * 60 + 10)
        browser.open("/app/sessions")
        assert "/app/locked" in browser.page.url
        # The lock page names the person and nothing else.
        assert "Dr Berta" in browser.page.inner_text("main")
        assert "Where you are" not in browser.page.inner_text("body")
        assert browser.faults() == []
        browser.press("Unlock with a passkey")
        # Not by a pattern: the lock page names the page to go back to.
        browser.page.wait_for_url(f"{clinic.origin}/app/sessions")
        clinic.move_clock(13 * 3600)
        browser.open("/app/sessions")
        assert "/sign-in" in browser.page.url
    finally:
        clinic.move_clock(0)


def test_ending_access_ends_the_session_at_once(clinic, browser):
    enrol(browser, link_for(clinic, "carla", "clinician"))
    assert browser.open("/app").status == 200 and "/sign-in" not in browser.page.url
    assert clinic.ward("user", "disable", "carla").returncode == 0
    browser.open("/app")
    assert "/sign-in" in browser.page.url
    again = clinic.ward("user", "add", "CARLA", "--name", "Somebody else", "--role", "clinician")
    assert again.returncode == 1 and "never reused" in again.stderr


def test_another_site_cannot_use_a_session(clinic, browser):
    enrol(browser, link_for(clinic, "dora", "administrator"))
    browser.open("/app/people")
    cookies = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}

    def post(path, form, **headers):
        return requests.post(
            clinic.origin + path, data=form, cookies=cookies, headers=headers, verify=str(clinic.authority),
            allow_redirects=False, timeout=10)

    token = browser.page.locator("input[type=hidden]").first.get_attribute("value")
    name = browser.page.locator("input[type=hidden]").first.get_attribute("name")
    assert post("/app/lock", {"other": "field"}).status_code == 403
    assert post("/app/lock", {name: "x" * len(token)}).status_code == 403
    assert post("/app/lock", {name: token}, Origin="https://evil.example").status_code == 403
    assert post("/app/lock", {name: token}, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert browser.open("/app").status == 200 and "/app/locked" not in browser.page.url
    assert post("/app/lock", {name: token}, Origin=clinic.origin).status_code in (302, 303)
    browser.open("/app")
    assert "/app/locked" in browser.page.url


@pytest.mark.parametrize("role", ["clinician", "nurse", "front-desk", "biller", "auditor"])
def test_people_are_administered_by_administrators_only(clinic, browser, role):
    enrol(browser, link_for(clinic, f"e-{role}", role))
    answer = browser.open("/app/people")
    assert answer.status == 403
    assert "dora" not in browser.page.inner_text("body")


def test_every_step_is_in_the_log(clinic):
    kinds = {event["kind"] for event in clinic.events()}
    assert {"person-added", "roles-granted", "enrolment-issued", "enrolment-used", "signed-in", "session-unlocked",
            "session-ended", "person-disabled"} <= kinds
    about = clinic.events("--about", "carla")
    assert [event["kind"] for event in about][0] == "factor-removed" and len(about) >= 4
    assert all(event["subject"].startswith("person/") for event in about)
