"""The searches that US Core 3.1.1 requires of a server (SHALL, and the combinations of SHALL), each with what it finds."""

import pytest

from conftest import included, matches

LOINC = "http://loinc.org"
ME = {"reference": "Patient/me"}
YOU = {"reference": "Patient/you"}
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


def observation(name, subject, category, code, day):
    return {"resourceType": "Observation", "id": name, "status": "final", "category": [coded(CATEGORY, category)],
            "code": coded(LOINC, code), "subject": subject, "effectiveDateTime": day}


CORPUS = [
    {"resourceType": "Patient", "id": "me", "identifier": [{"system": "urn:mrn", "value": "1"}], "gender": "female",
     "birthDate": "1970-02-03", "name": [{"family": "Adams", "given": ["Ann"]}]},
    {"resourceType": "Patient", "id": "you", "identifier": [{"system": "urn:mrn", "value": "2"}], "gender": "male",
     "birthDate": "1971-02-03", "name": [{"family": "Adams", "given": ["Bob"]}]},
    {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Healer"}],
     "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "9"}]},
    {"resourceType": "Organization", "id": "clinic", "name": "Clinic", "address": [{"city": "Boston", "state": "MA"}]},
    {"resourceType": "Location", "id": "place", "name": "Place",
     "address": {"city": "Boston", "state": "MA", "postalCode": "02108"}},
    {"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "Practitioner/doctor"},
     "specialty": [coded("http://nucc.org/provider-taxonomy", "207Q00000X")]},
    {"resourceType": "AllergyIntolerance", "id": "allergy", "patient": ME,
     "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active")},
    {"resourceType": "CarePlan", "id": "plan", "status": "active", "intent": "plan", "subject": ME,
     "category": [coded("http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan")],
     "period": {"start": "2020-01-01"}},
    {"resourceType": "CareTeam", "id": "careteam", "status": "active", "subject": ME},
    {"resourceType": "Condition", "id": "condition", "subject": ME, "onsetDateTime": "2020-01-02",
     "code": coded("http://snomed.info/sct", "38341003"),
     "category": [coded("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
     "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active")},
    {"resourceType": "Device", "id": "device", "patient": ME, "type": coded("http://snomed.info/sct", "72506001")},
    {"resourceType": "DiagnosticReport", "id": "report", "status": "final", "subject": ME, "code": coded(LOINC, "58410-2"),
     "category": [coded("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB")], "effectiveDateTime": "2020-03-04"},
    {"resourceType": "DocumentReference", "id": "document", "status": "current", "subject": ME, "date": "2020-03-04T00:00:00Z",
     "type": coded(LOINC, "34133-9"), "category": [coded("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                                                        "clinical-note")],
     "context": {"period": {"start": "2020-03-04", "end": "2020-03-05"}},
     "content": [{"attachment": {"contentType": "text/plain"}}]},
    {"resourceType": "Encounter", "id": "encounter", "status": "finished", "class": {"code": "AMB"}, "subject": ME,
     "identifier": [{"system": "urn:visit", "value": "7"}], "type": [coded("http://www.ama-assn.org/go/cpt", "99201")],
     "period": {"start": "2020-03-04", "end": "2020-03-05"}},
    {"resourceType": "Goal", "id": "goal", "lifecycleStatus": "active", "description": {"text": "x"}, "subject": ME,
     "target": [{"dueDate": "2020-12-31"}]},
    {"resourceType": "Immunization", "id": "shot", "status": "completed", "patient": ME, "occurrenceDateTime": "2020-05-06",
     "vaccineCode": coded("http://hl7.org/fhir/sid/cvx", "140")},
    {"resourceType": "MedicationRequest", "id": "order", "status": "active", "intent": "order", "subject": ME,
     "authoredOn": "2020-05-06", "encounter": {"reference": "Encounter/encounter"},
     "medicationReference": {"reference": "Medication/drug"}},
    {"resourceType": "Medication", "id": "drug"},
    {"resourceType": "Procedure", "id": "procedure", "status": "completed", "subject": ME, "performedDateTime": "2020-05-06",
     "code": coded("http://snomed.info/sct", "80146002")},
    observation("smoking", ME, "social-history", "72166-2", "2020-06-07"),
    observation("lab", ME, "laboratory", "2339-0", "2020-06-08"), observation("vital", ME, "vital-signs", "85354-9", "2019-06-07"),
    observation("other", YOU, "laboratory", "2339-0", "2020-06-08"),
    {"resourceType": "Provenance", "id": "origin", "recorded": "2020-06-09T00:00:00Z",
     "target": [{"reference": "Observation/lab"}], "agent": [{"who": {"reference": "Practitioner/doctor"}}]},
]


@pytest.fixture(scope="module", autouse=True)
def corpus(integration):
    answer = integration.transaction([
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in CORPUS])
    assert answer.status_code == 200, answer.text


REQUIRED = [
    ("Patient?_id=me", "me"), ("Patient?identifier=urn:mrn|1", "me"), ("Patient?name=adams", "me you"),
    ("Patient?birthdate=1970-02-03&name=ann", "me"), ("Patient?gender=male&name=adams", "you"),
    ("Patient?birthdate=1970-02-03&family=adams", "me"), ("Patient?family=adams&gender=female", "me"),
    ("AllergyIntolerance?patient=me", "allergy"), ("AllergyIntolerance?patient=you", ""),
    ("AllergyIntolerance?patient=Patient/me&clinical-status=active", "allergy"),
    ("CarePlan?patient=me&category=http://hl7.org/fhir/us/core/CodeSystem/careplan-category|assess-plan", "plan"),
    ("CarePlan?patient=me&category=assess-plan&date=ge2020", "plan"),
    ("CarePlan?patient=me&category=assess-plan&status=active,completed&date=lt2020", ""),
    ("CareTeam?patient=me&status=active", "careteam"), ("CareTeam?patient=me&status=inactive", ""),
    ("Condition?patient=me", "condition"), ("Condition?patient=me&clinical-status=active", "condition"),
    ("Condition?patient=me&category=problem-list-item", "condition"), ("Condition?patient=me&onset-date=2020-01", "condition"),
    ("Condition?patient=me&code=http://snomed.info/sct|38341003", "condition"),
    ("Device?patient=me", "device"), ("Device?patient=me&type=http://snomed.info/sct|72506001", "device"),
    ("DiagnosticReport?patient=me", "report"), ("DiagnosticReport?patient=me&category=LAB", "report"),
    ("DiagnosticReport?patient=me&code=58410-2,x", "report"), ("DiagnosticReport?patient=me&status=final", "report"),
    ("DiagnosticReport?patient=me&category=LAB&date=ge2020-03-04&date=le2020-03-04", "report"),
    ("DiagnosticReport?patient=me&code=58410-2&date=gt2020-03-04", ""),
    ("DocumentReference?_id=document", "document"), ("DocumentReference?patient=me", "document"),
    ("DocumentReference?patient=me&category=clinical-note", "document"),
    ("DocumentReference?patient=me&category=clinical-note&date=ge2020-03-04", "document"),
    ("DocumentReference?patient=me&type=34133-9", "document"), ("DocumentReference?patient=me&status=current", "document"),
    ("DocumentReference?patient=me&type=34133-9&period=2020-03", "document"),
    ("Encounter?_id=encounter", "encounter"), ("Encounter?patient=me", "encounter"), ("Encounter?date=2020-03&patient=me", "encounter"),
    ("Encounter?identifier=urn:visit|7", "encounter"), ("Encounter?class=AMB&patient=me", "encounter"),
    ("Encounter?patient=me&type=99201", "encounter"), ("Encounter?patient=me&status=finished", "encounter"),
    ("Goal?patient=me", "goal"), ("Goal?patient=me&lifecycle-status=active", "goal"),
    ("Goal?patient=me&target-date=2020-12", "goal"),
    ("Immunization?patient=me", "shot"), ("Immunization?patient=me&status=completed", "shot"),
    ("Immunization?patient=me&date=ge2020-05&date=lt2020-06", "shot"),
    ("MedicationRequest?patient=me&intent=order", "order"), ("MedicationRequest?patient=me&intent=order&status=active", "order"),
    ("MedicationRequest?patient=me&intent=order&encounter=Encounter/encounter", "order"),
    ("MedicationRequest?patient=me&intent=order&authoredon=2020-05-06", "order"),
    ("Observation?patient=me&category=laboratory", "lab"), ("Observation?patient=me&code=http://loinc.org|72166-2", "smoking"),
    ("Observation?patient=me&category=laboratory&date=ge2020-06-08", "lab"),
    ("Observation?patient=me&category=vital-signs&status=final", "vital"),
    ("Observation?patient=me&code=2339-0,85354-9&date=ge2020", "lab"),
    ("Organization?name=clinic", "clinic"), ("Organization?address=boston", "clinic"),
    ("Location?name=place", "place"), ("Location?address=ma", "place"), ("Location?address-city=boston", "place"),
    ("Location?address-state=MA", "place"), ("Location?address-postalcode=02108", "place"),
    ("Practitioner?name=healer", "doctor"), ("Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9", "doctor"),
    ("PractitionerRole?specialty=http://nucc.org/provider-taxonomy|207Q00000X", "role"),
    ("PractitionerRole?practitioner=doctor", "role"),
    ("PractitionerRole?practitioner.identifier=http://hl7.org/fhir/sid/us-npi|9", "role"),
    ("PractitionerRole?practitioner.name=healer", "role"),
    ("Procedure?patient=me", "procedure"), ("Procedure?patient=me&date=ge2020-05", "procedure"),
    ("Procedure?patient=me&status=completed", "procedure"), ("Procedure?patient=me&code=80146002&date=2020-05-06", "procedure"),
]


@pytest.mark.parametrize("query,expected", REQUIRED, ids=[each[0] for each in REQUIRED])
def test_what_us_core_requires_finds_what_it_means(integration, query, expected):
    bundle = integration.search(query)
    assert sorted(each["resource"]["id"] for each in matches(bundle)) == expected.split()
    answer = integration.post(
        f"{query.split('?')[0]}/_search", query.split("?")[1], headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert sorted(each["resource"]["id"] for each in matches(answer.json())) == expected.split()


@pytest.mark.parametrize("query,expected", [
    ("Observation?patient=me&category=laboratory&_revinclude=Provenance:target", ["origin"]),
    ("MedicationRequest?patient=me&intent=order&_include=MedicationRequest:medication", ["drug"]),
    ("PractitionerRole?practitioner=doctor&_include=PractitionerRole:practitioner", ["doctor"]),
])
def test_what_us_core_includes_comes_along(integration, query, expected):
    assert [each["resource"]["id"] for each in included(integration.search(query))] == expected
