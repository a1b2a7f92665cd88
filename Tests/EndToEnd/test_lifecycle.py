"""The end of accounts, roles and sessions, from outside: by the next request, within five seconds at the most."""

import json
import time

import pytest

from test_emergency import link_for, sign_in
from test_people import Browser, LINK, chromium, clinic, enrol  # noqa: F401 (fixtures)


@pytest.fixture
def person(clinic, chromium):
    """Makes people with browsers of their own."""
    made = []

    def make(login, *roles, listed=False):
        browser = Browser(chromium, clinic.origin)
        made.append(browser)
        enrol(browser, link_for(clinic, login, *roles, listed=listed))
        return browser

    yield make
    for browser in made:
        browser.context.close()


def dies_in_time(browser, path="/app"):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        browser.open(path)
        if "/sign-in" in browser.page.url:
            return True
    return False


def test_names_are_never_given_again(clinic):
    assert clinic.ward("user", "add", "gone", "--name", "Gone", "--role", "nurse").returncode == 0
    assert clinic.ward("user", "disable", "gone").returncode == 0
    for name in ["gone", "GONE", "Gone"]:
        again = clinic.ward("user", "add", name, "--name", "Another", "--role", "nurse")
        assert again.returncode == 1 and "never reused" in again.stderr
    assert clinic.ward("user", "disable", "gone").returncode == 1
    assert clinic.ward("user", "roles", "gone", "--role", "nurse").returncode == 1


@pytest.mark.parametrize("role", ["clinician", "front-desk", "patient"])
def test_whoever_administers_accounts_sees_patients_with_another_one(clinic, role):
    done = clinic.ward("user", "add", f"both-{role}", "--name", "Both", "--role", "administrator", "--role", role)
    assert done.returncode == 1 and "another account" in done.stderr
    assert f"both-{role}" not in clinic.ward("user", "list").stdout


def test_the_last_administrator_stays(clinic, person):
    chief = person("chief", "administrator")
    for command in [("disable", "chief"), ("roles", "chief"), ("roles", "chief", "--role", "nurse")]:
        done = clinic.ward("user", *command)
        assert done.returncode == 1 and "nobody else could manage people" in done.stderr, command
    assert chief.open("/app/people").status == 200
    # Somebody who was only invited cannot manage anything.
    assert clinic.ward("user", "add", "idle", "--name", "Idle", "--role", "administrator").returncode == 0
    assert clinic.ward("user", "disable", "chief").returncode == 1
    deputy = person("deputy", "administrator")
    assert clinic.ward("user", "disable", "chief").returncode == 0
    assert dies_in_time(chief)
    assert deputy.open("/app/people").status == 200


def test_less_rights_end_sessions_and_what_they_opened(clinic, person):
    browser = person("xenia", "clinician", listed=True)
    browser.open("/app/emergency")
    browser.page.get_by_label("Patient’s record number").fill("p9")
    browser.page.get_by_label("Danger to life or limb").check()
    browser.page.get_by_label("What is happening").fill("Not breathing, room two")
    browser.press("Open the record for 60 minutes")
    browser.page.get_by_text("Open now").wait_for()
    assert clinic.ward("user", "roles", "xenia", "--role", "front-desk").returncode == 0
    assert dies_in_time(browser)
    sign_in(browser)
    assert browser.open("/app/emergency").status == 403
    assert "open to you" not in browser.page.inner_text("header")


def test_a_day_that_was_set_ends_access_by_itself(clinic, chromium):
    for day in ["2026-13-01", "2026-02-30", "tomorrow", "2026-1", ""]:
        refused = clinic.ward("user", "add", "locum", "--name", "Locum", "--role", "nurse", "--ends", day)
        assert refused.returncode == 1 and "YYYY-MM-DD" in refused.stderr, day
    past = clinic.ward("user", "add", "past", "--name", "Past", "--role", "nurse", "--ends", "2020-01-01")
    assert past.returncode == 0
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    done = clinic.ward("user", "add", "locum", "--name", "Locum", "--role", "nurse", "--ends", soon)
    browser = Browser(chromium, clinic.origin)
    try:
        enrol(browser, LINK.search(done.stdout).group(0))
        browser.open("/app")
        assert "Locum" in browser.page.inner_text("header")
        # A minute before, a new sign-in still works.
        browser.context.clear_cookies()
        clinic.move_clock(86_400 - int(time.time()) % 86_400 - 60)
        sign_in(browser)
        assert "Locum" in browser.page.inner_text("header")
        clinic.move_clock(86_400 - int(time.time()) % 86_400 + 1)
        assert dies_in_time(browser)
        browser.open("/sign-in")
        browser.press("Sign in with a passkey")
        browser.page.get_by_text("That was not recognised").wait_for()
        listed = [json.loads(line) for line in clinic.ward("user", "list", "--json").stdout.splitlines()]
        assert next(each for each in listed if each["login"] == "locum")["ends"].startswith(soon)
    finally:
        clinic.move_clock(0)
        browser.context.close()


def test_roles_are_those_of_the_policy(clinic):
    for role in ["root", "Administrator", "night-watch"]:
        done = clinic.ward("user", "add", "nobody", "--name", "Nobody", "--role", role)
        assert done.returncode == 1, role
    assert clinic.ward("user", "list", "--json").stdout.count('"nobody"') == 0
