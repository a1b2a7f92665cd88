"""What is done to the log itself, and to names: by a client of the right role, or by a person who confirms it."""

import pytest

from enrolment import enrol_by_password
from test_confirm import confirmed
from test_people import LINK


@pytest.fixture(scope="module")
def clinic(houses):
    """Nothing is confirmed by itself here."""
    house = houses(start=False, roles=("administrator",))
    house.confirmation = lambda arguments: []
    house.start()
    done = house.ward("user", "add", "chief", "--name", "Dr Chief", "--role", "administrator")
    assert house.ward("user", "add", "tom", "--name", "Tom", "--role", "nurse").returncode == 0
    _, _, house.codes = enrol_by_password(house, LINK.search(done.stdout).group(0))
    return house


def by_chief(clinic, *arguments):
    return confirmed(clinic, "chief", clinic.codes.pop(), *arguments)


ON_THE_LOG = [
    ("audit", "retention", "--years", "12"), ("audit", "hold", "place", "--patient", "p1", "--reason", "Matter 17"),
    ("audit", "hold", "list"), ("audit", "hold", "end", "--patient", "p1"),
    ("audit", "prune", "--before", "2001-01-01", "--dry-run"), ("audit", "clock", "--accept"),
]


@pytest.mark.parametrize("command", ON_THE_LOG, ids=" ".join)
def test_it_needs_a_client_or_a_person_and_never_both(clinic, command):
    nobody = clinic.ward(*command)
    assert nobody.returncode != 0 and "--as" in nobody.stderr
    both = clinic.ward(*command, "--client", "administrator", "--as", "chief", "--code-file", "-", stdin="000000\n")
    assert both.returncode != 0 and "exclude" in both.stderr
    unknown = clinic.ward(*command, "--client", "nobody")
    assert unknown.returncode != 0


def test_a_wrong_code_does_nothing_to_the_log(clinic):
    for command in ON_THE_LOG[:4]:
        wrong = confirmed(clinic, "chief", "000000", *command)
        assert wrong.returncode == 1 and ("not recognised" in wrong.stderr or "too many attempts" in wrong.stderr)
    kinds = {"retention-set", "hold-placed", "hold-ended", "audit-pruned"}
    assert not [event for event in clinic.events(limit=100) if event["kind"] in kinds]
    assert "10 years" in clinic.ward("audit", "retention").stdout


def test_a_person_confirms_it_and_stands_in_the_log(clinic):
    for command in ON_THE_LOG[:5]:
        done = by_chief(clinic, *command)
        # Nothing is old enough to be pruned; that is no refusal of the person.
        assert done.returncode == 0, (command, done.stderr)
    events = clinic.events(limit=100)
    for kind in ("retention-set", "hold-placed", "hold-ended"):
        assert next(event for event in events if event["kind"] == kind)["who"].startswith("person/"), kind
    listed = next(event for event in events if event.get("decision") == "legal-holds")
    assert listed["who"].startswith("person/") and listed["kind"] == "audit-read"
    assert "12 years" in clinic.ward("audit", "retention").stdout


def test_somebody_without_the_right_confirms_nothing(clinic):
    done = by_chief(clinic, "user", "link", "tom")
    assert done.returncode == 0, done.stderr
    _, _, codes = enrol_by_password(clinic, LINK.search(done.stdout).group(0))
    for command in (("audit", "retention", "--years", "15"), ("user", "rename", "tom", "--name", "Thomas")):
        refused = confirmed(clinic, "tom", codes.pop(), *command)
        assert refused.returncode == 1 and "roles of tom do not include this" in refused.stderr
    assert "12 years" in clinic.ward("audit", "retention").stdout
    assert not clinic.events("--kind", "person-changed")


def test_a_name_is_changed_by_somebody_who_may(clinic):
    unconfirmed = clinic.ward("user", "rename", "tom", "--name", "Thomas")
    assert unconfirmed.returncode == 1 and "--as LOGIN" in unconfirmed.stderr
    assert by_chief(clinic, "user", "rename", "tom", "--name", "x" * 81).returncode == 1
    assert clinic.ward("user", "rename", "nobody", "--name", "Thomas").returncode == 1
    assert not clinic.events("--kind", "person-changed")
    done = by_chief(clinic, "user", "rename", "tom", "--name", "Thomas  Becker")
    assert done.returncode == 0, done.stderr
    assert '"Thomas Becker"' in clinic.ward("user", "list", "--json").stdout
    changed = clinic.events("--kind", "person-changed")
    assert len(changed) == 1 and changed[0]["who"].startswith("person/") and changed[0]["decision"] == "name"
