"""The notice that goes with substance use disorder records (42 CFR 2.32)."""

import uuid

import pytest

NOTICE = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
CODE = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}


@pytest.fixture(scope="module")
def records(integration):
    """A patient who consents, with one observation of the kind and one of another."""
    name = uuid.uuid4().hex
    observation = {"resourceType": "Observation", "status": "final", "subject": {"reference": f"Patient/{name}"},
                   "code": {"coding": [{"system": "urn:c", "code": name}]}}
    consent = {
        "resourceType": "Consent", "id": name, "status": "active", "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"code": "59284-0"}]}], "policyRule": {"coding": [{"code": "OPTIN"}]},
        "patient": {"reference": f"Patient/{name}"}, "provision": {"type": "permit", "securityLabel": [CODE]}}
    for resource in [{"resourceType": "Patient", "id": name}, consent,
                     {**observation, "id": f"{name}-plain"},
                     {**observation, "id": f"{name}-use", "meta": {"security": [CODE]}}]:
        answer = integration.put(f"{resource['resourceType']}/{resource['id']}", resource)
        assert answer.status_code == 201, answer.text
    return name


def test_goes_with_every_answer_that_holds_one(integration, records):
    use = f"Observation/{records}-use"
    answers = {
        path: integration.get(path)
        for path in [use, f"{use}/_history", f"{use}/_history/1", f"Observation?code={records}",
                     f"Observation?_id={records}-use", f"Patient?_id={records}&_revinclude=Observation:subject"]}
    for path, answer in answers.items():
        assert answer.status_code == 200 and f"{records}-use" in answer.text, (path, answer.text)
        assert answer.headers.get("Ward-Notice") == NOTICE, path
    batch = integration.post("", {"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": use}}]})
    assert batch.status_code == 200 and batch.headers.get("Ward-Notice") == NOTICE


def test_goes_with_nothing_else(integration, front_desk, records):
    plain = f"Observation/{records}-plain"
    for client, path in [(integration, plain), (integration, f"{plain}/_history"), (integration, f"Patient/{records}"),
                         (integration, f"Observation?_id={records}-plain"), (integration, "Observation?_id=nobody"),
                         (integration, f"Observation?code={records}&_summary=count"),
                         (front_desk, f"Observation/{records}-use"), (front_desk, f"Patient?_id={records}"),
                         (front_desk, f"Patient?_id={records}&_revinclude=Observation:subject")]:
        assert "Ward-Notice" not in client.get(path).headers, path


def test_lies_beside_an_export_that_holds_one(house, records, tmp_path):
    for types, expected in [("Observation", True), ("Patient", False)]:
        out = tmp_path / types
        done = house.ward("export", "--client", "integration", "--types", types, "--out", out)
        assert done.returncode == 0, done.stderr
        assert (out / "NOTICE.txt").exists() == expected and (NOTICE in done.stdout) == expected
        if expected:
            assert f"{records}-use" in (out / "Observation.ndjson").read_text()
            assert (out / "NOTICE.txt").read_text().strip() == NOTICE
            assert (out / "NOTICE.txt").stat().st_mode & 0o777 == 0o600
