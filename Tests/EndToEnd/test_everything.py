"""$everything of a patient and of an encounter, and $validate: complete, in pages, and never more than the policy shows."""

import json
import uuid

import pytest

from conftest import expressions, link, matches, outcome, receipt


def unique(prefix="e"):
    return f"{prefix}-{uuid.uuid4()}"


def put(client, resource):
    answer = client.put(f"{resource['resourceType']}/{resource['id']}", resource)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def observation(about, **more):
    return {"resourceType": "Observation", "id": unique(), "status": "final", "code": {"text": "x"},
            "subject": {"reference": f"Patient/{about}"}, **more}


def names(bundle):
    return {f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in bundle.get("entry", [])}


def everything(client, path):
    """All pages: names, and the number of records."""
    bundle, found, count = client.search(path), set(), 0
    total = bundle["total"]
    while True:
        found |= names(bundle)
        count += len(matches(bundle))
        following = link(bundle, "next")
        if following is None:
            break
        bundle = client.search(following)
    assert count == len(found) == total
    return found


@pytest.fixture(scope="module")
def chart(integration):
    ids = {name: unique() for name in ("patient", "other", "doctor", "place", "encounter")}
    put(integration, {"resourceType": "Organization", "id": ids["place"], "name": "P"})
    put(integration, {"resourceType": "Practitioner", "id": ids["doctor"], "name": [{"family": "D"}]})
    for name in ("patient", "other"):
        put(integration, {"resourceType": "Patient", "id": ids[name], "name": [{"family": "F"}],
                          "managingOrganization": {"reference": f"Organization/{ids['place']}"}})
    put(integration, {
        "resourceType": "Encounter", "id": ids["encounter"], "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{ids['patient']}"}, "period": {"start": "2020-01-01", "end": "2020-01-02"},
        "participant": [{"individual": {"reference": f"Practitioner/{ids['doctor']}"}}]})
    ids["first"] = put(integration, observation(
        ids["patient"], effectiveDateTime="2020-01-01", encounter={"reference": f"Encounter/{ids['encounter']}"}))["id"]
    ids["second"] = put(integration, observation(ids["patient"], effectiveDateTime="2021-06-01"))["id"]
    ids["undated"] = put(integration, observation(ids["patient"]))["id"]
    ids["foreign"] = put(integration, observation(ids["other"], effectiveDateTime="2020-01-01"))["id"]
    ids["condition"] = put(integration, {
        "resourceType": "Condition", "id": unique(), "subject": {"reference": f"Patient/{ids['patient']}"}})["id"]
    ids["appointment"] = put(integration, {
        "resourceType": "Appointment", "id": unique(), "status": "booked", "start": "2020-01-01T10:00:00Z",
        "participant": [{"actor": {"reference": f"Patient/{ids['patient']}"}, "status": "accepted"}]})["id"]
    return ids


def expected(chart, *keys):
    types = {"patient": "Patient", "other": "Patient", "doctor": "Practitioner", "place": "Organization",
             "encounter": "Encounter", "condition": "Condition", "appointment": "Appointment"}
    return {f"{types.get(key, 'Observation')}/{chart[key]}" for key in keys}


ALL = ("patient", "doctor", "place", "encounter", "first", "second", "undated", "condition", "appointment")


def test_everything_about_a_patient_and_what_it_refers_to(house, integration, chart):
    path = f"Patient/{chart['patient']}/$everything"
    assert everything(integration, path) == expected(chart, *ALL)
    answer = integration.get(path)
    index, _ = receipt(answer)
    event = next(each for each in house.events() if each["index"] == index)
    assert event["kind"] == "search"
    # Every record that was answered is in the log.
    told = json.dumps(event)
    for name in names(answer.json()):
        assert name.split("/")[1] in told, name


@pytest.mark.parametrize("count", [1, 2, 4, 1000])
def test_pages_repeat_and_skip_nothing(integration, chart, count):
    assert everything(integration, f"Patient/{chart['patient']}/$everything?_count={count}") == expected(chart, *ALL)


def test_a_page_link_is_worth_nothing_to_others(integration, clinician, chart):
    following = link(integration.search(f"Patient/{chart['patient']}/$everything?_count=1"), "next")
    assert clinician.get(following).status_code == 410
    assert integration.get(following + "x").status_code == 410
    assert integration.get(following).status_code == 200


def test_types_care_dates_and_changes_narrow_it(integration, chart):
    path = f"Patient/{chart['patient']}/$everything"
    assert everything(integration, f"{path}?_type=Observation,Practitioner") == expected(
        chart, "first", "second", "undated", "doctor")
    assert everything(integration, f"{path}?_type=Patient") == expected(chart, "patient")
    late = everything(integration, f"{path}?start=2021-01-01&_type=Observation")
    assert late == expected(chart, "second", "undated")
    assert everything(integration, f"{path}?end=2020-12-31&_type=Observation,Encounter") == expected(
        chart, "first", "undated", "encounter")
    assert everything(integration, f"{path}?_since=2100-01-01") == set()
    since = integration.get(f"Observation/{chart['second']}").json()["meta"]["lastUpdated"]
    recent = everything(integration, f"{path}?_since={since}&_type=Observation")
    assert recent == expected(chart, "second", "undated")
    summary = integration.search(f"{path}?_summary=count")
    assert summary["total"] == len(ALL) and "entry" not in summary


def test_everything_about_an_encounter(integration, chart):
    path = f"Encounter/{chart['encounter']}/$everything"
    assert everything(integration, path) == expected(chart, "encounter", "first", "patient", "doctor")
    assert integration.get(f"{path}?start=2020").status_code == 400


@pytest.mark.parametrize("query,expression", [
    ("_count=0", "_count"), ("_count=1001", "_count"), ("_count=x", "_count"), ("_type=Nonsense", "_type"),
    ("_type=", "_type"), ("_since=x", "_since"), ("start=x", "start"), ("end=2020&start=2021", "end"),
    ("nonsense=1", "nonsense"), ("_type=Patient&_type=Observation", "_type"), ("_page=x&_count=1", "_page"),
    ("_summary=x", "_summary"),
])
def test_a_question_that_means_nothing_is_refused_by_name(integration, chart, query, expression):
    answer = integration.get(f"Patient/{chart['patient']}/$everything?{query}")
    assert answer.status_code == 400
    assert expressions(answer) == [expression]


def test_of_nobody_of_the_deleted_and_of_other_types_there_is_nothing(integration, chart):
    assert integration.get("Patient/none/$everything").status_code == 404
    gone = put(integration, {"resourceType": "Patient", "id": unique()})
    integration.delete(f"Patient/{gone['id']}")
    assert integration.get(f"Patient/{gone['id']}/$everything").status_code in (404, 410)
    assert integration.get(f"Observation/{chart['first']}/$everything").status_code == 501
    assert integration.post(f"Patient/{chart['patient']}/$everything").status_code == 405
    assert integration.get(f"Encounter/{chart['patient']}/$everything").status_code == 404


def test_nobody_gets_more_than_by_reading(integration, front_desk, administrator, chart):
    path = f"Patient/{chart['patient']}/$everything"
    seen = everything(front_desk, path)
    assert expected(chart, "patient") <= seen
    assert not seen & expected(chart, "first", "second", "undated", "condition")
    bundle = front_desk.search(path)
    for each in bundle["entry"]:
        resource = each["resource"]
        assert front_desk.get(f"{resource['resourceType']}/{resource['id']}").json() == resource
    assert "Condition" not in json.dumps(bundle) and bundle["total"] == len(seen)
    assert everything(front_desk, f"{path}?_type=Condition,Observation") == set()
    assert administrator.get(path).status_code == 403


def test_a_narrow_scope_gets_what_it_covers(house, chart):
    client = house.client("integration", scope="system/Patient.rs system/Condition.rs")
    assert everything(client, f"Patient/{chart['patient']}/$everything") == expected(chart, "patient", "condition")
    blind = house.client("integration", scope="system/Condition.rs")
    assert blind.get(f"Patient/{chart['patient']}/$everything").status_code == 403


# MARK: $validate

PATIENT = {"resourceType": "Patient", "id": "a", "birthDate": "1970-01-02"}


def asking(resource=None, **more):
    parts = [{"name": "resource", "resource": resource}] if resource else []
    parts += [{"name": key, "valueUri" if key == "profile" else "valueCode": value} for key, value in more.items()]
    return {"resourceType": "Parameters", "parameter": parts}


@pytest.mark.parametrize("path,body", [
    ("Patient/$validate", PATIENT), ("Patient/$validate", asking(PATIENT)),
    ("Patient/$validate", asking(PATIENT, mode="create")), ("Patient/a/$validate", asking(PATIENT, mode="update")),
    ("Patient/$validate?mode=update", PATIENT), ("Patient/a/$validate", asking(mode="delete")),
    ("Patient/$validate", asking(PATIENT, profile="http://hl7.org/fhir/StructureDefinition/Patient")),
    ("Parameters/$validate", {"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "y"}]}),
])
def test_what_could_be_stored_is_valid(integration, path, body):
    answer = integration.post(path, body)
    assert answer.status_code == 200, answer.text
    assert [each["severity"] for each in outcome(answer)] == ["information"]
    receipt(answer)


@pytest.mark.parametrize("path,body,where", [
    ("Patient/$validate", {**PATIENT, "birthDate": "SECRET"}, ["Patient.birthDate"]),
    ("Patient/$validate", asking({**PATIENT, "gender": "SECRET"}), ["Patient.gender"]),
    ("Patient/$validate", {**PATIENT, "nonsense": "SECRET"}, ["Patient"]),
    ("Observation/$validate", {"resourceType": "Observation"}, ["Observation.status", "Observation.code"]),
    ("Observation/$validate", PATIENT, None),
    ("Patient/b/$validate", asking(PATIENT, mode="update"), ["Patient.id"]),
    ("Patient/$validate?mode=update", {"resourceType": "Patient", "active": True}, ["Patient.id"]),
    ("Patient/$validate?profile=http://example.org/SECRET", PATIENT, ["profile"]),
])
def test_what_could_not_be_stored_is_told_with_its_place_and_no_value(integration, path, body, where):
    answer = integration.post(path, body)
    assert answer.status_code == 200, answer.text
    assert {each["severity"] for each in outcome(answer)} == {"error"}
    if where:
        assert sorted(expressions(answer)) == sorted(where)
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("path,body,status", [
    ("Patient/$validate", "{", 400), ("Patient/$validate", asking(), 422), ("Patient/$validate", asking(mode="create"), 400),
    ("Patient/$validate", asking(PATIENT, mode="SECRET"), 400), ("Patient/$validate?nonsense=1", PATIENT, 400),
    ("Nonsense/$validate", PATIENT, 404), ("Patient/$validate", None, 400),
])
def test_what_cannot_be_validated_is_refused(integration, path, body, status):
    answer = integration.post(path, body)
    assert answer.status_code in (status, 400), answer.text
    assert "SECRET" not in answer.text


def test_validation_needs_a_token_and_stores_nothing(house, integration):
    assert house.stranger().post("Patient/$validate", PATIENT).status_code == 401
    wanted = unique()
    integration.post("Patient/$validate", {**PATIENT, "id": wanted})
    assert integration.get(f"Patient/{wanted}").status_code == 404
    assert integration.get("Patient/$validate").status_code == 405


def test_the_capability_statement_says_what_is_there(integration):
    statement = integration.get("metadata").json()
    rest = statement["rest"][0]
    assert set(statement["patchFormat"]) == {"application/json-patch+json", "application/fhir+json"}
    for each in rest["resource"]:
        assert "patch" in {code["code"] for code in each["interaction"]}
        assert (each["conditionalUpdate"], each["conditionalDelete"], each["conditionalRead"]) == (
            True, "single", "full-support")
        operations = {one["name"] for one in each["operation"]}
        assert ("everything" in operations) == (each["type"] in ("Patient", "Encounter"))
        assert "validate" in operations
