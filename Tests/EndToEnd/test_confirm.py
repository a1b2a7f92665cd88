"""Commands at the machine that touch keys or rights: alone before there is anybody, confirmed by a person afterwards."""

import os
import re
import time

import pytest

from enrolment import enrol_by_password, one_time_code
from test_people import LINK

KIT = re.compile(r"recovery code +(\S+)")


@pytest.fixture(scope="module")
def clinic(houses):
    """Nothing is confirmed by itself here."""
    house = houses(start=False, roles=())
    house.confirmation = lambda arguments: []
    house.stop()
    return house


@pytest.fixture(scope="module")
def chief(clinic):
    """The first administrator: somebody who was only invited confirms nothing."""
    clinic.start()
    assert clinic.ward("client", "add", "administrator", "--role", "administrator").returncode == 0
    done = clinic.ward("user", "add", "chief", "--name", "Dr Chief", "--role", "administrator")
    assert done.returncode == 0
    assert clinic.ward("user", "add", "tom", "--name", "Tom", "--role", "nurse").returncode == 0
    alone = [event for event in clinic.events() if event["kind"] in ("client-added", "person-added")]
    assert {event["who"] for event in alone} == {"operator"}
    lines = clinic.ward("audit", "search", "--client", "administrator", "--kind", "person-added").stdout.splitlines()
    assert len(lines) == 2 and all("nobody there to confirm" in line for line in lines)
    assert [event["subject"] for event in alone if event["kind"] == "client-added"] == ["client/administrator"]
    _, seed, codes = enrol_by_password(clinic, LINK.search(done.stdout).group(0))
    next_code.used = int(time.time() // 30)
    return seed, codes


def confirmed(clinic, login, code, *arguments):
    return clinic.ward(*arguments, "--as", login, "--code-file", "-", stdin=code + "\n")


def next_code(seed):
    """One that was not used: those of enrolment and of earlier commands are."""
    used = next_code.used
    while (step := int(time.time() // 30)) <= used:
        time.sleep(0.2)
    next_code.used = step
    return one_time_code(seed, step * 30)


next_code.used = 0

GUARDED = [
    ("client", "add", "late", "--role", "clinician"), ("client", "remove", "administrator"), ("client", "approve", "x"),
    ("policy", "adopt", "--built-in"), ("user", "add", "late", "--name", "Late", "--role", "nurse"),
    ("user", "roles", "tom", "--role", "administrator"), ("user", "disable", "tom"), ("user", "link", "tom"),
    ("user", "recover", "chief"), ("keys", "shred", "Patient/x", "--reason", "r"), ("keys", "shred", "--status"),
    ("keys", "rotate", "patients"), ("keys", "rotate", "patients", "--patient", "x", "--json"),
]


@pytest.mark.parametrize("command", GUARDED, ids=" ".join)
def test_nothing_happens_without_somebody_who_confirms(clinic, chief, command):
    people = clinic.ward("user", "list", "--json").stdout
    done = clinic.ward(*command)
    assert done.returncode == 1 and "--as LOGIN" in done.stderr and done.stdout.count("enrol/") == 0
    assert clinic.ward("user", "list", "--json").stdout == people
    newest = [event for event in clinic.events(limit=4) if event["kind"] not in ("audit-read", "signed-in")][0]
    assert newest["kind"] == "request-refused" and newest["outcome"] == "denied"
    assert newest["decision"].endswith("/not-confirmed")


def test_a_code_confirms_one_command_and_the_log_names_the_person(clinic, chief):
    seed, codes = chief
    code = next_code(seed)
    mei = ("user", "add", "mei", "--name", "Mei", "--role", "biller")
    # Nobody new works here before it is on file what was checked; the code is not used up by that.
    refused = confirmed(clinic, "chief", code, *mei)
    assert refused.returncode == 1 and "--clearance" in refused.stderr
    assert '"mei"' not in clinic.ward("user", "list", "--json").stdout
    done = confirmed(clinic, "chief", code, *mei, "--clearance", "references, Chief, 2026-11-20")
    assert done.returncode == 0, done.stderr
    assert code not in done.stdout + done.stderr
    again = confirmed(clinic, "chief", code, "user", "disable", "mei")
    assert again.returncode == 1 and "not recognised" in again.stderr
    saved = codes.pop()
    added = confirmed(clinic, "chief", saved, "client", "add", "feed", "--role", "clinician")
    assert added.returncode == 0, added.stderr
    again = confirmed(clinic, "chief", saved, "client", "remove", "feed")
    assert again.returncode == 1 and "not recognised" in again.stderr
    events = clinic.events()
    person = next(event for event in events if event["kind"] == "person-added")
    client = next(event for event in events if event["kind"] == "client-added" and event["subject"] == "client/feed")
    assert person["who"] == client["who"] and client["who"].startswith("person/")
    assert {"authenticator-code; userAdd", "recovery-code; clientAdd"} <= {event["decision"] for event in events}


def test_a_right_code_of_somebody_without_the_right_is_refused(clinic, chief):
    done = confirmed(clinic, "chief", chief[1].pop(), "user", "link", "tom")
    assert done.returncode == 0, done.stderr
    _, _, codes = enrol_by_password(clinic, LINK.search(done.stdout).group(0))
    refused = confirmed(
        clinic, "tom", codes[0], "user", "roles", "tom", "--role", "administrator", "--clearance", "seen")
    assert refused.returncode == 1 and "roles of tom do not include this" in refused.stderr
    assert "administrator" not in [
        line for line in clinic.ward("user", "list", "--json").stdout.splitlines() if '"tom"' in line][0]


@pytest.mark.parametrize("login, code", [
    ("chief", "000000"), ("chief", ""), ("chief", "12345"), ("nobody", "000000"), ("", "000000"), ("chief", "x" * 300)])
def test_a_wrong_code_confirms_nothing(clinic, chief, login, code):
    done = confirmed(clinic, login, code, "user", "disable", "mei")
    assert done.returncode == 1 and "not recognised" in done.stderr or "too many attempts" in done.stderr
    assert clinic.events("--kind", "sign-in-failed", limit=1)


def test_the_code_is_never_in_the_arguments_and_its_file_is_its_owners_alone(clinic, chief, tmp_path):
    file = tmp_path / "code"
    file.write_text("000000\n")
    os.chmod(file, 0o644)
    done = clinic.ward("user", "disable", "mei", "--as", "chief", "--code-file", file)
    assert done.returncode == 1 and "chmod" in done.stderr
    assert clinic.ward("user", "disable", "mei", "--as", "chief", "--code", "000000").returncode == 64
    # Without a terminal it does not wait for one.
    assert clinic.ward("user", "disable", "mei", "--as", "chief").returncode == 1
    assert clinic.ward("user", "disable", "mei", "--code-file", file).returncode == 1


def test_what_acts_by_a_key_or_only_looks_is_not_asked(clinic, chief):
    for command in [("user", "list"), ("client", "list"), ("keys", "status"), ("audit", "checkpoint")]:
        assert clinic.ward(*command).returncode == 0, command
    assert clinic.token("administrator")


def test_who_guesses_waits(clinic, chief):
    # The waits double: at last one is longer than a command takes, on however slow a machine.
    for _ in range(16):
        said = confirmed(clinic, "chief", "000000", "user", "disable", "mei").stderr
        if "too many attempts" in said:
            break
    assert "too many attempts" in said
    for _ in range(3):
        confirmed(clinic, "chief", "000000", "user", "disable", "mei")
    right = confirmed(clinic, "chief", chief[1].pop(), "user", "disable", "mei")
    assert right.returncode == 1 and "too many attempts" in right.stderr


def test_without_a_server_it_is_the_same(clinic, chief):
    clinic.stop()
    assert "--as LOGIN" in clinic.ward("user", "disable", "mei").stderr
    done = confirmed(clinic, "chief", chief[1].pop(), "user", "disable", "mei")
    assert done.returncode == 0, done.stderr


def test_the_recovery_kit_helps_a_clinic_that_nobody_can_confirm_for(houses):
    house = houses(start=False, roles=())
    house.confirmation = lambda arguments: []
    other = houses(start=False, roles=())
    # Another kit opens another store.
    kits = []
    for made in (house, other):
        made.data = made.data.with_name("kit")
        kits.append(KIT.search(made.init()).group(1))
    house.start()
    done = house.ward("user", "add", "chief", "--name", "Dr Chief", "--role", "administrator")
    enrol_by_password(house, LINK.search(done.stdout).group(0))

    def recover(kit):
        return house.ward("user", "recover", "chief", "--recovery-kit", "--code-file", "-", stdin=kit + "\n")

    assert house.ward("user", "recover", "chief").returncode == 1
    for kit in ["", "x", kits[1]]:
        assert recover(kit).returncode == 1
    done = recover(kits[0])
    assert done.returncode == 0, done.stderr
    assert LINK.search(done.stdout)
    house.stop()
