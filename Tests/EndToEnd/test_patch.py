"""PATCH: JSON Patch and FHIRPath Patch of one record, conditional, in batches and transactions; and conditional update
and delete. Nobody changes, tests or copies by a patch what they cannot see."""

import base64
import json
import uuid

import pytest

from conftest import expressions, in_parallel, outcome, receipt

JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def unique():
    return f"u{uuid.uuid4().hex}"


def patient(**more):
    return {"resourceType": "Patient", "active": True, "name": [{"family": unique(), "given": ["A", "B"]}], **more}


def patch(client, path, *operations, **headers):
    return client.request(
        "PATCH", path, json.dumps(operations), headers={**JSON_PATCH, **{k.replace("_", "-"): v for k, v in headers.items()}})


def operation(kind, path, **more):
    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for key, value in more.items():
        parts.append({"name": key, **value} if isinstance(value, dict) else {"name": key, "valueString": value})
    return {"name": "operation", "part": parts}


def parameters(*operations):
    return {"resourceType": "Parameters", **({"parameter": list(operations)} if operations else {})}


def event(house, answer):
    index, _ = receipt(answer)
    return next(each for each in house.events() if each["index"] == index)


# MARK: One record


def test_a_json_patch_changes_what_it_names_and_nothing_else(house, integration):
    stored = integration.create(patient(birthDate="1970-01-02"))
    answer = patch(
        integration, f"Patient/{stored['id']}", {"op": "test", "path": "/birthDate", "value": "1970-01-02"},
        {"op": "replace", "path": "/birthDate", "value": "1971-03-04"}, {"op": "add", "path": "/gender", "value": "other"},
        {"op": "remove", "path": "/name/0/given/0"})
    assert answer.status_code == 200 and answer.headers["ETag"] == 'W/"2"'
    changed = answer.json()
    assert changed == integration.get(f"Patient/{stored['id']}").json()
    assert changed["meta"]["versionId"] == "2"
    expected = {**stored, "birthDate": "1971-03-04", "gender": "other",
                "name": [{"family": stored["name"][0]["family"], "given": ["B"]}]}
    assert {**changed, "meta": None} == {**expected, "meta": None}
    assert event(house, answer)["kind"] == "update"
    # The index follows.
    assert integration.ids(f"Patient?_id={stored['id']}&birthdate=1971-03-04") == [stored["id"]]


def test_a_fhirpath_patch_does_the_same(integration):
    stored = integration.create(patient())
    answer = integration.request("PATCH", f"Patient/{stored['id']}", parameters(
        operation("add", "Patient", name="birthDate", value={"valueDate": "1971-03-04"}),
        operation("delete", "Patient.name[0].given[0]"),
        operation("replace", "Patient.active", value={"valueBoolean": False})))
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["birthDate"], changed["active"], changed["name"][0]["given"]) == ("1971-03-04", False, ["B"])


def test_what_is_to_be_answered_can_be_said(integration):
    stored = integration.create(patient())
    change = {"op": "replace", "path": "/active", "value": False}
    assert patch(integration, f"Patient/{stored['id']}", change, Prefer="return=minimal").content == b""
    answer = patch(integration, f"Patient/{stored['id']}", change, Prefer="return=OperationOutcome")
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("operations,status,expression", [
    ([{"op": "test", "path": "/active", "value": False}], 422, "operation[0]"),
    ([{"op": "add", "path": "/gender", "value": "other"}, {"op": "remove", "path": "/nothing"}], 422, "operation[1]"),
    ([{"op": "add", "path": "/birthDate", "value": "SECRET"}], 422, "Patient.birthDate"),
    ([{"op": "add", "path": "/nonsense", "value": "SECRET"}], 422, "Patient"),
    ([{"op": "add", "path": "/gender", "value": "SECRET"}], 422, "Patient.gender"),
    ([{"op": "replace", "path": "/id", "value": "other"}], 422, "operation[0]"),
    ([{"op": "replace", "path": "/resourceType", "value": "Person"}], 422, "operation[0]"),
    ([{"op": "remove", "path": "/id"}], 422, "operation[0]"),
    ([{"op": "replace", "path": "", "value": {"resourceType": "Patient", "id": "other"}}], 422, "operation[0]"),
    ([{"op": "replace", "path": "", "value": 1}], 422, "operation[0]"),
    ([{"op": "spam", "path": "/active"}], 400, "operation[0]"),
    ([{"op": "add", "path": "active", "value": 1}], 400, "operation[0]"),
    ([{"op": "add", "path": "/gender"}], 400, "operation[0]"),
    ([{"op": "test", "path": "/active", "value": True}] * 1001, 413, "operation[1001]"),
    ([{"op": "copy", "from": "", "path": "/name/0/extension"}] * 30, 413, None),
])
def test_a_patch_that_cannot_be_carried_out_changes_nothing_and_tells_no_value(
        house, integration, operations, status, expression):
    stored = integration.create(patient())
    answer = patch(integration, f"Patient/{stored['id']}", *operations)
    assert answer.status_code == status, answer.text
    outcome(answer)
    if expression:
        assert expressions(answer)[0] == expression
    assert "SECRET" not in answer.text and stored["name"][0]["family"] not in answer.text
    assert integration.get(f"Patient/{stored['id']}").json() == stored
    if status == 422:
        failed = event(house, answer)
        assert failed["outcome"] == "failed"


@pytest.mark.parametrize("body,content_type,status", [
    ("{", "application/json-patch+json", 400), ("{}", "application/json-patch+json", 400),
    ("[]", "application/fhir+json", 415), ('[{"op":"test"}]', "text/plain", 415),
    ('{"resourceType":"Patient"}', "application/fhir+json", 422), ("<x/>", "application/fhir+xml", 415),
    ('{"resourceType":"Parameters","parameter":[{"name":"x"}]}', "application/fhir+json", 400),
    ('{"resourceType":"Parameters","parameter":[{"name":"x","valueString":"y"}]}', "application/fhir+json", 400),
    ("[]", "application/json-patch+xml", 415),
])
def test_what_is_no_patch_is_refused(integration, body, content_type, status):
    stored = integration.create(patient())
    answer = integration.request("PATCH", f"Patient/{stored['id']}", body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    outcome(answer)
    assert integration.get(f"Patient/{stored['id']}").json() == stored


def test_what_is_not_there_cannot_be_patched(integration):
    change = {"op": "add", "path": "/active", "value": True}
    assert patch(integration, "Patient/none", change).status_code == 404
    gone = integration.create(patient())
    integration.delete(f"Patient/{gone['id']}")
    assert patch(integration, f"Patient/{gone['id']}", change).status_code in (404, 410)
    assert patch(integration, "Patient/a_b", change).status_code == 400
    assert patch(integration, "AuditEvent/log-1-1", change).status_code == 405


def test_if_match_names_the_version_that_is_patched(integration):
    stored = integration.create(patient())
    change = {"op": "replace", "path": "/active", "value": False}
    path = f"Patient/{stored['id']}"
    assert patch(integration, path, change, If_Match='W/"7"').status_code == 412
    assert patch(integration, path, change, If_Match="x").status_code == 400
    assert patch(integration, path, change, If_Match='W/"1"').status_code == 200
    assert patch(integration, path, change, If_Match='W/"1"').status_code == 412


def test_patches_at_the_same_time_lose_nothing(integration):
    stored = integration.create(patient())
    path = f"Patient/{stored['id']}"
    answers = in_parallel([
        lambda n=n: patch(integration, path, {"op": "add", "path": "/name/0/given/-", "value": f"n{n}"})
        for n in range(12)])
    done = sum(each.status_code == 200 for each in answers)
    assert {each.status_code for each in answers} <= {200, 409}
    final = integration.get(path).json()
    assert len(final["name"][0]["given"]) == 2 + done and final["meta"]["versionId"] == str(1 + done)


def test_a_patch_takes_off_labels_only_on_purpose(integration):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}
    stored = integration.create(patient(meta={"security": [label]}))
    path = f"Patient/{stored['id']}"
    kept = patch(integration, path, {"op": "replace", "path": "/active", "value": False})
    assert kept.json()["meta"]["security"] == [label]
    removed = patch(integration, path, {"op": "remove", "path": "/meta/security"})
    assert removed.status_code == 200
    assert "security" not in removed.json()["meta"]


# MARK: Policy


@pytest.fixture(scope="module")
def seen(integration, front_desk):
    stored = integration.create(patient(maritalStatus={"text": "married"}, birthDate="1970-01-02"))
    shown = front_desk.get(f"Patient/{stored['id']}").json()
    assert "maritalStatus" not in shown and "name" in shown
    return stored


@pytest.mark.parametrize("hidden", [
    [{"op": "test", "path": "/maritalStatus/text", "value": "married"}],
    [{"op": "test", "path": "/maritalStatus/text", "value": "single"}],
    [{"op": "copy", "from": "/maritalStatus/text", "path": "/name/0/text"}],
    [{"op": "move", "from": "/maritalStatus/text", "path": "/name/0/text"}],
    [{"op": "remove", "path": "/maritalStatus"}],
    [{"op": "replace", "path": "/maritalStatus", "value": {"text": "single"}}],
])
def test_a_hidden_element_is_to_a_patch_as_one_that_is_not_there(seen, integration, front_desk, hidden):
    path = f"Patient/{seen['id']}"
    answer = patch(front_desk, path, *hidden)
    other = integration.create(patient(birthDate="1970-01-02"))
    same = patch(front_desk, f"Patient/{other['id']}", *hidden)
    assert (answer.status_code, answer.json()) == (same.status_code, same.json())
    assert answer.status_code == 422 and "married" not in answer.text
    assert integration.get(path).json()["maritalStatus"] == {"text": "married"}


@pytest.mark.parametrize("path", [
    "Patient.maritalStatus", "Patient.maritalStatus.text", "Patient.where(maritalStatus.exists()).active",
    "Patient.iif(maritalStatus.text = 'married', active, photo)"])
def test_nor_does_a_path_find_it(seen, integration, front_desk, path):
    other = integration.create(patient(birthDate="1970-01-02"))
    change = parameters(operation("delete", path))
    answers = [
        front_desk.request("PATCH", f"Patient/{each['id']}", change, headers={"Prefer": "return=minimal"})
        for each in (seen, other)]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].content == answers[1].content
    assert integration.get(f"Patient/{seen['id']}").json()["maritalStatus"] == {"text": "married"}


def test_who_sees_a_part_patches_that_part_and_the_rest_stays(seen, integration, front_desk):
    path = f"Patient/{seen['id']}"
    answer = patch(front_desk, path, {"op": "replace", "path": "/name/0/family", "value": "Changed"})
    assert answer.status_code == 200, answer.text
    assert "married" not in answer.text
    whole = integration.get(path).json()
    assert whole["name"][0]["family"] == "Changed" and whole["maritalStatus"] == {"text": "married"}
    added = patch(front_desk, path, {"op": "add", "path": "/maritalStatus", "value": {"text": "single"}})
    assert added.status_code == 403 and expressions(added) == ["field-not-granted"]
    assert integration.get(path).json() == whole


def test_who_may_not_change_or_see_a_record_does_not_patch_it(house, integration, front_desk):
    stored = integration.create({"resourceType": "Condition", "subject": {"display": "x"}})
    change = {"op": "test", "path": "/resourceType", "value": "Condition"}
    for identity in ("front-desk", "administrator"):
        for name in (stored["id"], "none"):
            answer = patch(house.client(identity), f"Condition/{name}", change)
            assert answer.status_code == 403
            receipt(answer)
    reader = house.client("integration", scope="system/Patient.rs")
    other = integration.create(patient())
    assert patch(reader, f"Patient/{other['id']}", change).status_code == 403
    writer = house.client("integration", scope="system/Patient.u")
    # What a patch tests, it reads.
    blind = patch(writer, f"Patient/{other['id']}", {"op": "test", "path": "/active", "value": True})
    assert blind.status_code in (403, 404)


# MARK: Conditional


def known(**more):
    value = unique()
    return f"identifier=urn:x|{value}", patient(identifier=[{"system": "urn:x", "value": value}], **more)


def test_a_conditional_patch_changes_the_one_record_that_is_found(house, integration):
    condition, resource = known()
    change = {"op": "replace", "path": "/active", "value": False}
    assert patch(integration, f"Patient?{condition}", change).status_code == 404
    stored = integration.create(resource)
    answer = patch(integration, f"Patient?{condition}", change)
    assert answer.status_code == 200 and answer.json()["id"] == stored["id"] and answer.json()["active"] is False
    integration.create(resource)
    refused = patch(integration, f"Patient?{condition}", change)
    assert refused.status_code == 412 and outcome(refused)[0]["code"] == "multiple-matches"
    assert event(house, refused)["outcome"] == "failed"


def test_a_conditional_update_updates_the_one_or_creates(integration):
    condition, resource = known()
    created = integration.put(f"Patient?{condition}", resource)
    assert created.status_code == 201, created.text
    wanted = created.json()["id"]
    updated = integration.put(f"Patient?{condition}", {**resource, "active": False})
    assert (updated.status_code, updated.json()["id"], updated.json()["meta"]["versionId"]) == (200, wanted, "2")
    assert integration.put(f"Patient?{condition}", {**resource, "id": wanted}).status_code == 200
    other = integration.put(f"Patient?{condition}", {**resource, "id": "other"})
    assert other.status_code == 400
    assert integration.get("Patient/other").status_code == 404
    assert integration.put(f"Patient?{condition}", resource, headers={"If-Match": 'W/"9"'}).status_code == 412
    assert integration.put(f"Patient?{condition}", resource, headers={"If-Match": 'W/"3"'}).status_code == 200
    integration.create(resource)
    assert integration.put(f"Patient?{condition}", resource).status_code == 412
    # Under an id of the client's choice where there is none.
    condition, resource = known()
    own = unique()
    made = integration.put(f"Patient?{condition}", {**resource, "id": own})
    assert made.status_code == 201 and made.json()["id"] == own


def test_a_conditional_delete_deletes_one_or_none_and_refuses_several(house, integration):
    condition, resource = known()
    nothing = integration.delete(f"Patient?{condition}")
    assert nothing.status_code == 204
    receipt(nothing)
    first, second = integration.create(resource), integration.create(resource)
    assert integration.delete(f"Patient?{condition}").status_code == 412
    assert integration.get(f"Patient/{first['id']}").status_code == 200
    assert integration.delete(f"Patient/{first['id']}").status_code == 204
    deleted = integration.delete(f"Patient?{condition}")
    assert deleted.status_code == 204 and second["id"] in json.dumps(event(house, deleted))
    assert integration.get(f"Patient/{second['id']}").status_code == 410


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("query", [
    "", "?", "?_format=json", "?nonsense=1", "?birthdate=x", "?_has:Condition:patient:x=1",
    "?_has:Condition:patient:code=1", "?organization.name=x", "?_count=1", "?_sort=_lastUpdated"])
def test_a_condition_that_would_mean_everything_or_nothing_is_refused(integration, method, query):
    body = {"PUT": patient(), "PATCH": parameters(), "DELETE": None}[method]
    answer = integration.request(method, f"Patient{query}", body)
    assert answer.status_code == 400, answer.text
    outcome(answer)


def test_conditions_find_only_what_may_be_seen(integration, front_desk):
    condition, resource = known(maritalStatus={"text": "m"})
    integration.create(resource)
    code = unique()
    integration.create({"resourceType": "Condition", "subject": {"display": "x"}, "code": {"text": code}})
    for method in ("PUT", "PATCH", "DELETE"):
        body = {"PUT": {"resourceType": "Condition", "subject": {"display": "x"}}, "PATCH": parameters(), "DELETE": None}
        assert front_desk.request(method, f"Condition?code={code}", body[method]).status_code == 403
    # Nor by a scope that cannot search.
    assert front_desk.delete(f"Patient?{condition}").status_code == 403


def test_conditional_creates_at_the_same_time_make_one(integration):
    condition, resource = known()
    answers = in_parallel([lambda: integration.put(f"Patient?{condition}", resource) for _ in range(8)])
    assert sorted(each.status_code for each in answers).count(201) == 1
    assert len(integration.ids(f"Patient?{condition}")) == 1


# MARK: Batches and transactions


def entry(method, url, resource=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    return made


def wrapped(*operations, content_type="application/json-patch+json"):
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": content_type, "data": data}


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_patches_in_a_bundle(integration, kind):
    condition, resource = known()
    first, second = integration.create(patient()), integration.create(resource)
    answer = integration.transaction([
        entry("PATCH", f"Patient/{first['id']}", wrapped({"op": "replace", "path": "/active", "value": False})),
        entry("PATCH", f"Patient?{condition}", parameters(
            operation("replace", "Patient.active", value={"valueBoolean": False}))),
        entry("POST", "Patient", patient()),
    ], kind)
    assert answer.status_code == 200, answer.text
    assert [each["response"]["status"][:3] for each in answer.json()["entry"]] == ["200", "200", "201"]
    for each in (first, second):
        assert integration.get(f"Patient/{each['id']}").json()["active"] is False


@pytest.mark.parametrize("bad", [
    entry("PATCH", "Patient/{id}", wrapped({"op": "remove", "path": "/nothing"})),
    entry("PATCH", "Patient/{id}", wrapped({"op": "add", "path": "/birthDate", "value": "x"})),
    entry("PATCH", "Patient/{id}", wrapped({"op": "test", "path": "/active", "value": False})),
    entry("PATCH", "Patient/{id}", wrapped(content_type="text/plain")),
    entry("PATCH", "Patient/{id}", {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "!"}),
    entry("PATCH", "Patient/{id}", {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "e30="}),
    entry("PATCH", "Patient/{id}", wrapped(), ifMatch='W/"9"'),
    entry("PATCH", "Patient/{id}"), entry("PATCH", "Patient", wrapped()), entry("PATCH", "Patient/none", wrapped()),
    entry("PATCH", "AuditEvent/log-1-1", wrapped()),
    entry("DELETE", "Patient"), entry("PUT", "Patient", patient()),
])
def test_a_transaction_with_a_patch_that_fails_changes_nothing(integration, bad):
    stored, family = integration.create(patient()), unique()
    bad = json.loads(json.dumps(bad).replace("{id}", stored["id"]))
    for entries in ([bad, entry("POST", "Patient", patient(name=[{"family": family}]))],
                    [entry("POST", "Patient", patient(name=[{"family": family}])), bad]):
        answer = integration.transaction(entries)
        assert 400 <= answer.status_code < 500, answer.text
        outcome(answer)
    assert integration.ids(f"Patient?family={family}") == []
    assert integration.get(f"Patient/{stored['id']}").json() == stored


def test_references_follow_a_conditional_update_of_the_same_transaction(integration):
    condition, resource = known()
    for expected in ("201", "200"):
        answer = integration.transaction([
            {**entry("PUT", f"Patient?{condition}", resource), "fullUrl": "urn:uuid:5f0b3c1e-0b7a-4a53-8e0b-1d6f2a9c7e11"},
            entry("POST", "Observation", {
                "resourceType": "Observation", "status": "final", "code": {"text": "x"},
                "subject": {"reference": "urn:uuid:5f0b3c1e-0b7a-4a53-8e0b-1d6f2a9c7e11"}}),
        ], headers={"Prefer": "return=representation"})
        assert answer.status_code == 200, answer.text
        one, two = answer.json()["entry"]
        assert one["response"]["status"].startswith(expected)
        assert two["resource"]["subject"]["reference"] == f"Patient/{one['resource']['id']}"
        assert one["resource"]["id"] in integration.ids(f"Patient?{condition}")


def test_two_entries_of_a_transaction_do_not_change_one_record(integration):
    condition, resource = known()
    stored = integration.create(resource)
    answer = integration.transaction([
        entry("PATCH", f"Patient?{condition}", wrapped({"op": "replace", "path": "/active", "value": False})),
        entry("DELETE", f"Patient/{stored['id']}")])
    assert answer.status_code in (400, 409)
    assert integration.get(f"Patient/{stored['id']}").json() == stored
