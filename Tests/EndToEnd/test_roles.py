"""Roles and scopes on every path that returns, counts or reveals data.

The strongest tests compare two stores that differ only in records the role may not see: every answer must be equal.
"""

import re
import uuid

import pytest

from conftest import included, link, matches, outcome, receipt

FRONT_DESK_TYPES = {
    "Appointment", "AppointmentResponse", "Coverage", "HealthcareService", "InsurancePlan", "Location", "Organization",
    "Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Schedule", "Slot",
}
FRONT_DESK_WRITES = {"Appointment", "AppointmentResponse", "Coverage", "Patient", "RelatedPerson"}

#: Records that everybody of the tests may see, in both stores.
VISIBLE = [
    {"resourceType": "Organization", "id": "org", "name": "Clinic"},
    {"resourceType": "Patient", "id": "known", "name": [{"family": "Known"}], "birthDate": "1980-01-01",
     "managingOrganization": {"reference": "Organization/org"}},
    {"resourceType": "Patient", "id": "other", "name": [{"family": "Other"}], "birthDate": "1990-01-01"},
    {"resourceType": "Appointment", "id": "visit", "status": "booked",
     "participant": [{"actor": {"reference": "Patient/known"}, "status": "accepted"}],
     "reasonReference": [{"reference": "Condition/secret"}], "start": "2026-01-01T10:00:00Z",
     "end": "2026-01-01T10:30:00Z"},
    {"resourceType": "Coverage", "id": "cover", "status": "active", "beneficiary": {"reference": "Patient/known"},
     "payor": [{"reference": "Organization/org"}]},
]

#: Records that the front desk may not see, in one of the stores only.
HIDDEN = [
    {"resourceType": "Condition", "id": "secret", "subject": {"reference": "Patient/known"},
     "code": {"coding": [{"system": "urn:c", "code": "hiv"}]}, "recordedDate": "2020-01-01"},
    {"resourceType": "Condition", "id": "secret-2", "subject": {"reference": "Patient/other"},
     "code": {"coding": [{"system": "urn:c", "code": "hiv"}]}, "recordedDate": "2021-01-01"},
    {"resourceType": "Observation", "id": "secret", "status": "final", "subject": {"reference": "Patient/known"},
     "code": {"coding": [{"system": "urn:c", "code": "viral-load"}]}, "effectiveDateTime": "2020-01-01"},
    {"resourceType": "Encounter", "id": "secret", "status": "finished", "class": {"code": "AMB"},
     "subject": {"reference": "Patient/known"}},
    {"resourceType": "MedicationRequest", "id": "secret", "status": "active", "intent": "order",
     "medicationCodeableConcept": {"text": "x"}, "subject": {"reference": "Patient/known"}},
    {"resourceType": "DocumentReference", "id": "secret", "status": "current", "subject": {"reference": "Patient/known"},
     "content": [{"attachment": {"contentType": "text/plain"}}]},
    {"resourceType": "Provenance", "id": "secret", "target": [{"reference": "Patient/known"}],
     "recorded": "2020-01-01T00:00:00Z", "agent": [{"who": {"reference": "Organization/org"}}]},
]

HIDDEN_TYPES = sorted({each["resourceType"] for each in HIDDEN})


def put(client, resources):
    answer = client.transaction([
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in resources])
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def full(house, integration):
    """The store with hidden records."""
    put(integration, VISIBLE)
    put(integration, HIDDEN)
    return house


@pytest.fixture(scope="module")
def bare(houses):
    """The store without."""
    house = houses()
    put(house.client("integration"), VISIBLE)
    yield house
    house.kill()


# MARK: Two stores that differ in hidden records only


def faceless(answer, house):
    """Everything of an answer that must not differ: status, body, headers, without ids, times and receipts."""
    text = answer.text.replace(house.origin, "ORIGIN")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "TIME", text)
    text = re.sub(r"_page=[A-Za-z0-9_-]+", "_page=LINK", text)
    headers = {
        name: re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", value.replace(house.origin, "ORIGIN"))
        for name, value in answer.headers.items()
        if name not in ("Date", "Last-Modified", "Ward-Audit-Receipt", "X-Request-Id", "Content-Length")
    }
    return answer.status_code, text, headers


def entry(method, url, resource=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    return made


def bundle(kind, *entries):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


APPOINTMENT = {
    "resourceType": "Appointment", "status": "booked",
    "participant": [{"actor": {"reference": "Patient/known"}, "status": "accepted"}],
}

REVEALING = [
    *[("GET", f"{kind}/secret", None, {}) for kind in HIDDEN_TYPES],
    *[("GET", f"{kind}/secret/_history", None, {}) for kind in HIDDEN_TYPES],
    *[("GET", f"{kind}/secret/_history/1", None, {}) for kind in HIDDEN_TYPES],
    *[("GET", kind, None, {}) for kind in HIDDEN_TYPES],
    *[("GET", f"{kind}?_count=0&_total=accurate", None, {}) for kind in HIDDEN_TYPES],
    *[("DELETE", f"{kind}/secret", None, {}) for kind in HIDDEN_TYPES],
    *[("GET", f"{kind}?patient=known", None, {}) for kind in HIDDEN_TYPES],
    ("GET", "Condition?code=hiv&_summary=count", None, {}),
    ("GET", "Condition?_sort=recorded-date&_count=1", None, {}),
    ("PUT", "Condition/secret", HIDDEN[0], {}),
    ("PUT", "Condition/secret", HIDDEN[0], {"If-Match": 'W/"1"'}),
    ("PUT", "Condition/secret", HIDDEN[0], {"If-Match": 'W/"9"'}),
    ("POST", "Condition", {key: value for key, value in HIDDEN[0].items() if key != "id"},
     {"If-None-Exist": "code=hiv"}),
    ("GET", "Patient", None, {}),
    ("GET", "Patient?_count=0", None, {}),
    ("GET", "Patient?_count=1&_total=accurate", None, {}),
    ("GET", "Patient?_sort=birthdate", None, {}),
    ("GET", "Patient?_sort=-_lastUpdated", None, {}),
    ("GET", "Patient/known", None, {}),
    ("GET", "Patient/known/_history", None, {}),
    ("GET", "Patient?_revinclude=Condition:subject", None, {}),
    ("GET", "Patient?_revinclude=Condition:patient&_count=1", None, {}),
    ("GET", "Patient?_revinclude=Observation:subject&_revinclude=Appointment:patient", None, {}),
    ("GET", "Patient?_revinclude=Provenance:target", None, {}),
    ("GET", "Patient?_revinclude=Appointment:patient", None, {}),
    ("GET", "Patient?_has:Condition:patient:code=hiv", None, {}),
    ("GET", "Patient?_id=known&_include=Patient:organization", None, {}),
    ("GET", "Appointment?_include=Appointment:reason-reference", None, {}),
    ("GET", "Appointment?_include=Appointment:reason-reference:Condition", None, {}),
    ("GET", "Appointment?_include:iterate=Appointment:reason-reference", None, {}),
    ("GET", "Appointment?_include=*", None, {}),
    ("GET", "Appointment?reason-reference=Condition/secret", None, {}),
    ("GET", "Appointment?reason-reference=Condition/none", None, {}),
    ("GET", "Appointment?reason-reference:Condition.code=hiv", None, {}),
    ("GET", "Appointment?patient._has:Condition:patient:code=hiv", None, {}),
    ("GET", "Patient?_list=secret", None, {}),
    ("GET", "Appointment?reason-reference.code=hiv", None, {}),
    ("GET", "Appointment?reason-reference._id=secret", None, {}),
    ("GET", "Appointment?patient:Patient._has:Condition:patient:code=hiv", None, {}),
    ("GET", "Appointment?patient.name=x&_include:iterate=*", None, {}),
    ("GET", "Patient?_has:Appointment:patient:reason-reference.code=hiv", None, {}),
    ("GET", "Patient?_has:Appointment:patient:reason-reference=Condition/secret", None, {}),
    ("GET", "Patient?_has:Provenance:target:_id=x", None, {}),
    ("GET", "Patient?_revinclude=*", None, {}),
    ("GET", "Patient?_revinclude=Condition:*", None, {}),
    ("GET", "Patient?_sort=_has", None, {}),
    ("GET", "Patient?_sort=family,_id&_count=1", None, {}),
    ("GET", "Patient?_sort=organization", None, {}),
    ("GET", "Appointment?_sort=reason-reference", None, {}),
    ("GET", "Patient/known/*", None, {}),
    ("GET", "Patient/known/Appointment", None, {}),
    ("GET", "Patient/known/*?_type=Condition", None, {}),
    ("GET", "?_id=secret", None, {}),
    ("GET", "?_type=Patient,Appointment", None, {}),
    ("GET", "?_count=0", None, {}),
    ("GET", "?_tag=x", None, {}),
    ("GET", "Patient/known/$everything", None, {}),
    ("GET", "Patient/known/Condition", None, {}),
    ("GET", "_history", None, {}),
    ("GET", "?_type=Condition", None, {}),
    ("GET", "metadata", None, {}),
    ("POST", "", bundle("batch", entry("GET", "Condition/secret"), entry("GET", "Condition?code=hiv"),
                        entry("GET", "Patient?_revinclude=Condition:subject"), entry("GET", "Patient/known")), {}),
    ("POST", "", bundle("transaction", entry("GET", "Condition/secret")), {}),
    ("POST", "", bundle("transaction", entry("GET", "Patient/known"), entry("GET", "Condition/secret/_history/1")), {}),
    ("POST", "", bundle("transaction", entry("DELETE", "Condition/secret"), entry("GET", "Patient/known")), {}),
    # Would resolve to a record that may not be seen: as if there were none.
    ("POST", "", bundle("transaction", entry("POST", "Appointment", {
        **APPOINTMENT, "reasonReference": [{"reference": "Condition?code=urn:c|hiv"}]})), {}),
    ("POST", "", bundle("transaction", entry("POST", "Appointment", {
        **APPOINTMENT, "reasonReference": [{"reference": "Condition?_id=secret"}]})), {}),
    ("POST", "", bundle("transaction", entry("POST", "Condition", HIDDEN[0], ifNoneExist="code=urn:c|hiv")), {}),
    ("POST", "Appointment", APPOINTMENT, {"If-None-Exist": "reason-reference=Condition/secret&status=noshow"}),
]


@pytest.mark.parametrize(
    "method,path,body,headers", REVEALING, ids=[f"{each[0]} {each[1]} {n}" for n, each in enumerate(REVEALING)])
def test_hidden_records_change_no_answer_to_the_front_desk(full, bare, desks, method, path, body, headers):
    answers = [
        faceless(desk.request(method, path, body, headers=headers), house)
        for desk, house in zip(desks, (full, bare))]
    assert answers[0] == answers[1]
    assert "hiv" not in answers[0][1]
    assert "viral-load" not in answers[0][1]


@pytest.fixture(scope="module")
def desks(full, bare):
    return [full.client("front-desk"), bare.client("front-desk")]


@pytest.fixture(scope="module")
def narrowed(full, bare):
    """An integration's token that is good for patients and appointments only."""
    return [each.client("integration", "system/Patient.rs system/Appointment.crus") for each in (full, bare)]


@pytest.mark.parametrize(
    "method,path,body,headers", REVEALING, ids=[f"{each[0]} {each[1]} {n}" for n, each in enumerate(REVEALING)])
def test_hidden_records_change_no_answer_to_a_narrowed_token(full, bare, narrowed, method, path, body, headers):
    answers = [
        faceless(client.request(method, path, body, headers=headers), house)
        for client, house in zip(narrowed, (full, bare))]
    assert answers[0] == answers[1]
    # But for the question itself, in the link to this page.
    assert "hiv" not in answers[0][1].replace(path.split("?")[-1], "")


@pytest.mark.parametrize(
    "method,path,body,headers", REVEALING, ids=[f"{each[0]} {each[1]} {n}" for n, each in enumerate(REVEALING)])
def test_no_record_at_all_changes_an_answer_to_the_administrator(full, bare, method, path, body, headers):
    answers = [
        faceless(client.request(method, path, body, headers=headers), house)
        for house in (full, bare) for client in [house.administrator_client]]
    assert answers[0] == answers[1]
    assert "Known" not in answers[0][1]
    if path != "metadata":
        assert answers[0][0] >= 400 or body["type"] == "batch"


@pytest.fixture(scope="module", autouse=True)
def administrators(full, bare):
    for house in (full, bare):
        house.administrator_client = house.client("administrator")


def test_hidden_records_really_are_there(full):
    for each in HIDDEN:
        assert full.client("integration").get(f"{each['resourceType']}/{each['id']}").status_code == 200


# MARK: Refusals


@pytest.mark.parametrize("kind", HIDDEN_TYPES)
@pytest.mark.parametrize("path", ["{kind}/secret", "{kind}/none", "{kind}", "{kind}?_id=none", "{kind}/none/_history"])
def test_a_type_that_is_not_granted_is_a_403_whether_or_not_something_is_there(front_desk, kind, path):
    answer = front_desk.get(path.format(kind=kind))
    assert answer.status_code == 403
    assert outcome(answer)[0]["code"] == "forbidden"
    receipt(answer)


def test_a_refusal_stands_in_the_log_with_its_rule(full, front_desk):
    index, _ = receipt(front_desk.get("Condition/secret"))
    event = next(each for each in full.events("--actor", "front-desk") if each["index"] == index)
    assert (event["kind"], event["outcome"], event["decision"]) == ("read", "denied", "type-not-granted")


@pytest.fixture(scope="module")
def all_types(house):
    statement = house.stranger().get("metadata").json()
    return [each["type"] for each in statement["rest"][0]["resource"]]


def statuses(client, entries):
    answer = client.transaction(entries, kind="batch", timeout=300)
    assert answer.status_code == 200
    return [int(each["response"]["status"][:3]) for each in answer.json()["entry"]]


def attempts(kind):
    """One attempt of each interaction on a type; 403 if and only if the role does not have it."""
    return [
        entry("GET", f"{kind}/none"), entry("GET", f"{kind}/none/_history"), entry("GET", f"{kind}/none/_history/1"),
        entry("GET", f"{kind}?_id=none"), entry("DELETE", f"{kind}/none"),
    ]


@pytest.mark.parametrize("role", ["administrator", "clinician", "front-desk", "integration"])
def test_each_role_reaches_exactly_its_types_in_every_interaction(house, all_types, role):
    client = house.client(role)
    for kind in all_types:
        may_read = role in ("clinician", "integration") or role == "front-desk" and kind in FRONT_DESK_TYPES
        # Who has which post is not for care to write.
        may_delete = role == "integration" or role == "clinician" and kind != "PractitionerRole"
        found = statuses(client, attempts(kind))
        expected = [404, 404, 404, 200] if may_read else [403] * 4
        if (role, kind) == ("administrator", "AuditEvent"):
            # The log itself, which administrators look after; no record of the store.
            expected = [403, 403, 403, 200]
        assert found == expected + [204 if may_delete else 403], kind


@pytest.mark.parametrize("kind", sorted(FRONT_DESK_TYPES))
def test_the_front_desk_writes_only_what_it_keeps(front_desk, integration, kind):
    # A resource that is valid only where it is written; validity is not what decides about the others.
    minimal = {
        "Appointment": APPOINTMENT,
        "AppointmentResponse": {"appointment": {"reference": "Appointment/visit"}, "participantStatus": "accepted",
                                "actor": {"reference": "Patient/known"}},
        "Coverage": {key: VISIBLE[4][key] for key in ("status", "beneficiary", "payor")},
        "RelatedPerson": {"patient": {"reference": "Patient/known"}},
        "Schedule": {"actor": [{"reference": "Patient/known"}]},
        "Slot": {"schedule": {"reference": "Schedule/x"}, "status": "free", "start": "2026-01-01T10:00:00Z",
                 "end": "2026-01-01T10:30:00Z"},
        "Organization": {"name": "x"},
    }
    resource = {**minimal.get(kind, {}), "resourceType": kind}
    created = front_desk.post(kind, resource)
    wanted = f"w-{uuid.uuid4()}"
    updated = front_desk.put(f"{kind}/{wanted}", {**resource, "id": wanted})
    if kind in FRONT_DESK_WRITES:
        assert (created.status_code, updated.status_code) == (201, 201)
    else:
        assert (created.status_code, updated.status_code) == (403, 403)
        assert integration.get(f"{kind}/{wanted}").status_code == 404
    assert front_desk.delete(f"{kind}/{wanted}").status_code == 403


def test_a_transaction_with_one_entry_that_is_not_granted_changes_nothing(front_desk, integration):
    family = f"T{uuid.uuid4().hex}"
    for bad in (entry("DELETE", "Patient/known"), entry("PUT", "Condition/secret", HIDDEN[0]),
                entry("GET", "Condition/secret"), entry("POST", "Practitioner", {"resourceType": "Practitioner"})):
        answer = front_desk.transaction([
            entry("POST", "Patient", {"resourceType": "Patient", "name": [{"family": family}]}), bad])
        assert answer.status_code == 403, bad
    assert integration.ids(f"Patient?family={family}") == []
    assert integration.get("Patient/known").status_code == 200


# MARK: Includes


def test_includes_without_a_named_target_leave_hidden_records_out(front_desk, integration):
    query = "Appointment?_id=visit&_include=Appointment:reason-reference&_include=Appointment:patient"
    # The reason of a visit is not for the front desk, so that nothing can be found through it either.
    refused = front_desk.get(query)
    assert (refused.status_code, outcome(refused)[0]["expression"]) == (403, ["reason-reference"])
    query = "Appointment?_id=visit&_include=Appointment:actor&_include=Appointment:patient"
    seen = {f"{each['resource']['resourceType']}" for each in included(front_desk.search(query))}
    assert seen == {"Patient"}
    query += "&_include=Appointment:reason-reference"
    everything = {f"{each['resource']['resourceType']}" for each in included(integration.search(query))}
    assert everything == {"Condition", "Patient"}


def test_a_reverse_include_of_a_hidden_type_is_refused_by_its_name(front_desk):
    for kind in ("Condition", "Observation", "Encounter"):
        assert front_desk.get(f"Patient?_revinclude={kind}:subject").status_code == 403


# MARK: Page links


@pytest.fixture(scope="module")
def pages(full, integration):
    put(integration, [
        {"resourceType": "Condition", "id": f"c{n}", "subject": {"reference": "Patient/known"},
         "code": {"coding": [{"code": "hiv"}]}} for n in range(6)])
    put(integration, [
        {"resourceType": "Appointment", "id": f"a{n}", "status": "proposed", "participant": [{
            "actor": {"reference": "Patient/known"}, "status": "accepted"}],
         "reasonReference": [{"reference": "Condition/secret"}]} for n in range(6)])


def test_a_page_link_is_worth_nothing_to_others(pages, clinician, front_desk, administrator, integration):
    following = link(integration.search("Condition?_count=2"), "next")
    answers = [each.get(following) for each in (front_desk, administrator, clinician)]
    assert [answer.status_code for answer in answers] == [403, 403, 410]
    shared = link(integration.search("Appointment?_count=2&_include=Appointment:reason-reference"), "next")
    for client, status in ((front_desk, 410), (clinician, 410), (administrator, 403)):
        answer = client.get(shared)
        assert answer.status_code == status
        assert "hiv" not in answer.text


def test_a_page_link_gives_a_narrowed_token_of_the_same_client_only_its_own(pages, full, integration):
    following = link(integration.search("Condition?_count=2"), "next")
    assert full.client("integration", "system/Patient.rs").get(following).status_code == 403
    shared = link(integration.search("Appointment?_count=2&_include=Appointment:reason-reference"), "next")
    narrow = full.client("integration", "system/Appointment.rs").get(shared)
    assert narrow.status_code == 200
    assert included(narrow.json()) == []
    assert "hiv" not in narrow.text


def test_the_form_of_search_makes_no_difference(front_desk):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert front_desk.post("Condition/_search", "code=hiv", headers=form).status_code == 403
    assert front_desk.post("Patient/_search", "_revinclude=Condition:subject", headers=form).status_code == 403


# MARK: Scopes


@pytest.mark.parametrize("scope,allowed", [
    ("system/Patient.r", {"read", "history"}),
    ("system/Patient.s", {"search"}),
    ("system/Patient.rs", {"read", "history", "search"}),
    ("system/Patient.c", {"create"}),
    ("system/Patient.u", {"update"}),
    ("system/Patient.d", {"delete"}),
    ("system/Patient.cruds", {"create", "read", "history", "update", "delete", "search"}),
    ("system/Patient.read", {"read", "history", "search"}),
    ("system/Patient.write", {"create", "update", "delete"}),
    ("system/*.rs", {"read", "history", "search"}),
    ("system/Observation.cruds", set()),
    ("system/Observation.cruds system/Patient.r system/Patient.c", {"read", "history", "create"}),
])
def test_a_scope_allows_its_interactions_and_no_others(full, integration, scope, allowed):
    client = full.client("integration", scope)
    person = integration.create({"resourceType": "Patient"})
    body = {"resourceType": "Patient", "id": person["id"]}
    answers = {
        "read": client.get(f"Patient/{person['id']}"),
        "history": client.get(f"Patient/{person['id']}/_history"),
        "search": client.get("Patient?_count=1"),
        "create": client.post("Patient", {"resourceType": "Patient"}),
        "update": client.put(f"Patient/{person['id']}", body),
        "delete": client.delete(f"Patient/{person['id']}"),
    }
    refused = {name for name, answer in answers.items() if answer.status_code == 403}
    assert refused == set(answers) - allowed
    assert all(answer.status_code < 300 for name, answer in answers.items() if name in allowed)


def test_a_scope_never_widens_a_role(full):
    desk = full.client("front-desk", "system/*.cruds")
    assert desk.get("Condition/secret").status_code == 403
    assert desk.delete("Patient/known").status_code == 403
    assert full.client("administrator", "system/*.cruds").get("Patient/known").status_code == 403


def test_a_condition_of_a_create_does_not_find_what_the_token_may_not_search(full, integration):
    value = f"v-{uuid.uuid4()}"
    person = {"resourceType": "Patient", "identifier": [{"value": value}], "name": [{"family": "Hidden"}]}
    hidden = integration.create(person)
    writer = full.client("integration", "system/Patient.c")
    answer = writer.post("Patient", {"resourceType": "Patient"}, headers={"If-None-Exist": f"identifier={value}"})
    assert hidden["id"] not in answer.text
    assert "Hidden" not in answer.text
    assert answer.status_code in (201, 403)


def test_a_conditional_reference_does_not_find_what_the_token_may_not_search(full, integration):
    value = f"v-{uuid.uuid4()}"
    integration.create({"resourceType": "Patient", "identifier": [{"value": value}]})
    writer = full.client("integration", "system/Observation.c")
    answer = writer.transaction([entry("POST", "Observation", {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": f"Patient?identifier={value}"}})])
    assert answer.status_code in (403, 412)
    none = writer.transaction([entry("POST", "Observation", {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": f"Patient?identifier=none-{value}"}})])
    assert none.status_code == answer.status_code


# MARK: Commands


@pytest.mark.parametrize("role", ["administrator", "clinician", "front-desk"])
def test_only_an_integration_imports_and_exports(full, role, tmp_path):
    source = tmp_path / "patient.json"
    source.write_text('{"resourceType":"Patient","id":"imported-by-nobody"}')
    done = full.ward("import", source, "--client", role)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    done = full.ward("export", "--out", tmp_path / "out", "--client", role)
    assert done.returncode == 1
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
    assert full.client("integration").get("Patient/imported-by-nobody").status_code == 404


@pytest.mark.parametrize("role", ["clinician", "front-desk", "integration"])
def test_only_an_administrator_searches_the_log_and_verifies(full, role):
    for command in (["audit", "search"], ["verify"]):
        done = full.ward(*command, "--client", role)
        assert done.returncode == 1
        assert done.stdout == ""
        assert len(done.stderr.strip().splitlines()) == 1


def test_audit_search_by_patient_finds_what_touched_that_patient(full, integration):
    index, _ = receipt(integration.get("Condition/secret"))
    events = full.events("--patient", "known")
    assert index in {each["index"] for each in events}
    assert all("known" in each["patients"] for each in events)
