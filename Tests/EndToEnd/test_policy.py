"""A clinic's own policy, and why somebody may see a record or not."""

import json
import pathlib
import sqlite3

import pytest

STANDARD = pathlib.Path(__file__).parents[2] / "docs" / "default-policy.json"


@pytest.fixture
def clinic(houses):
    return houses(roles=("administrator", "integration", "front-desk"))


def own_policy(tmp_path, change):
    document = json.loads(STANDARD.read_text())
    document["name"] = "lindenhof"
    change(document)
    path = tmp_path / "own.json"
    path.write_text(json.dumps(document, indent=2))
    return path


def without_coverage(document):
    for rule in document["rules"]:
        if rule["id"] == "front-desk-registers":
            rule["types"] = [each for each in rule["types"] if each != "Coverage"]


def test_a_policy_holds_from_the_next_start_on_and_can_be_taken_back(clinic, tmp_path):
    assert clinic.client("front-desk").get("Coverage").status_code == 200
    done = clinic.ward("policy", "adopt", own_policy(tmp_path, without_coverage))
    assert done.returncode == 0 and "lindenhof sha256:" in done.stdout
    clinic.stop()
    clinic.start()
    assert "lindenhof" in clinic.ward("policy", "adopt").stdout
    desk = clinic.client("front-desk")
    assert desk.get("Coverage").status_code == 403
    assert desk.get("Patient").status_code == 200
    event, = clinic.events("--kind", "policy-adopted")
    assert "lindenhof" in event["decision"]
    assert clinic.ward("policy", "adopt", "--built-in").returncode == 0
    clinic.stop()
    clinic.start()
    assert clinic.client("front-desk").get("Coverage").status_code == 200


@pytest.mark.parametrize("change", [
    lambda document: document["rules"].clear(),
    lambda document: document["rules"][0].update(roles=["nobody"]),
    lambda document: document["rules"].pop(
        next(n for n, rule in enumerate(document["rules"]) if rule["id"] == "part2-needs-consent")),
    lambda document: document.update(version=9),
])
def test_a_policy_with_a_mistake_is_not_taken(clinic, tmp_path, change):
    before = clinic.ward("policy", "adopt").stdout
    done = clinic.ward("policy", "adopt", own_policy(tmp_path, change))
    assert done.returncode != 0
    clinic.stop()
    clinic.start()
    assert clinic.ward("policy", "adopt").stdout == before


def test_an_older_policy_put_back_stops_the_start(clinic, tmp_path):
    clinic.ward("policy", "adopt", own_policy(tmp_path, lambda document: None))
    clinic.stop()
    with sqlite3.connect(clinic.data / "ward.db") as rows:
        old = rows.execute("SELECT sealed FROM entry WHERE kind = 22").fetchone()[0]
    clinic.start()
    clinic.ward("policy", "adopt", own_policy(tmp_path, without_coverage))
    clinic.stop()
    with sqlite3.connect(clinic.data / "ward.db") as rows:
        rows.execute("UPDATE entry SET sealed = ? WHERE kind = 22", (old,))
    assert clinic.ward("policy", "adopt").returncode != 0
    with sqlite3.connect(clinic.data / "ward.db") as rows:
        rows.execute("DELETE FROM entry WHERE kind = 22")
    assert clinic.ward("policy", "adopt").returncode != 0


def test_why_names_the_rule_and_what_is_missing_and_stands_in_the_log(clinic):
    fhir = clinic.client("integration")
    patient = fhir.create({"resourceType": "Patient"})["id"]
    observation = fhir.create({
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"}})["id"]
    added = clinic.ward("user", "add", "anna", "--name", "Anna", "--role", "nurse", "--practitioner", "p-anna")
    assert added.returncode == 0

    def why(*arguments):
        done = clinic.ward("policy", "why", "anna", f"Observation/{observation}", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    refused = why()
    assert refused["permitted"] is False and refused["code"] == "condition-missing"
    assert "care-team" in refused["missing"]
    fhir.create({
        "resourceType": "CareTeam", "status": "active", "subject": {"reference": f"Patient/{patient}"},
        "participant": [{"member": {"reference": "Practitioner/p-anna"}}]})
    permitted = why()
    assert permitted["permitted"] is True and permitted["code"] == "care-treats"
    assert why("--action", "delete")["permitted"] is False
    events = clinic.events("--kind", "policy-explained", "--patient", patient)
    assert [each["outcome"] for each in events] == ["success"] * 3
    assert clinic.ward("policy", "why", "anna", "Observation/none").returncode == 1
    assert clinic.ward("policy", "why", "nobody", f"Observation/{observation}").returncode == 1
    assert clinic.ward("policy", "why", "anna", "Observation").returncode == 1
