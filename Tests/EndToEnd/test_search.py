"""Search end to end: every kind of parameter, paging, includes, sorting and totals."""

import urllib.parse
import uuid

import pytest

from conftest import expressions, in_parallel, included, link, matches, outcome

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
GENDER = "http://hl7.org/fhir/administrative-gender"


def observation(name, subject, code, value=None, unit="mg", when="2020-01-01", **more):
    made = {
        "resourceType": "Observation", "id": name, "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]}, "subject": {"reference": subject},
        "effectiveDateTime": when, **more,
    }
    if value is not None:
        # The text of the number is what counts, so it goes into the JSON as it is.
        made["valueQuantity"] = {"value": Literal(value), "unit": unit, "system": UCUM, "code": unit}
    return made


def value_set(name, *includes, exclude=None, **more):
    return {"resourceType": "ValueSet", "id": f"vs-{name}", "status": "active", "url": f"http://example.org/vs/{name}",
            "compose": {"include": list(includes), **({"exclude": exclude} if exclude else {})}, **more}


class Literal(float):
    """A JSON number that is written as it was given."""

    def __new__(cls, text):
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __repr__(self):
        return self.text


CORPUS = [
    {"resourceType": "Organization", "id": "g1", "name": "General Hospital"},
    {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Doctor"}]},
    {"resourceType": "Patient", "id": "p1", "active": True, "gender": "female", "birthDate": "1970-01-15",
     "name": [{"family": "Müller", "given": ["Anna", "Maria"]}], "deceasedBoolean": False,
     "identifier": [{"system": "urn:a", "value": "1"}], "telecom": [{"system": "phone", "value": "555-1"}],
     "address": [{"city": "Köln", "postalCode": "50667", "use": "home"}],
     "managingOrganization": {"reference": "Organization/g1"},
     "generalPractitioner": [{"reference": "Practitioner/d1"}],
     "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "de"}]}}],
     "meta": {"tag": [{"system": "urn:tags", "code": "vip"}], "profile": ["http://example.org/profile/a"]}},
    {"resourceType": "Patient", "id": "p2", "active": False, "gender": "male", "birthDate": "1980",
     "name": [{"family": "Mueller"}],
     "identifier": [{"system": "urn:a", "value": "2"}, {"system": "urn:b", "value": "1"}],
     "link": [{"other": {"reference": "Patient/p1"}, "type": "seealso"}]},
    {"resourceType": "Patient", "id": "p3", "gender": "other", "birthDate": "1980-06",
     "name": [{"family": "Smith"}, {"family": "A,B|C$D"}], "deceasedDateTime": "2020-05-05T10:00:00+02:00",
     "identifier": [{"value": "1", "type": {"coding": [{"system": "urn:kinds", "code": "MR"}]}, "system": "urn:c"}],
     "generalPractitioner": [{"reference": "http://elsewhere.example/fhir/Practitioner/d1"}]},
    {"resourceType": "Patient", "id": "p4", "identifier": [{"value": "1"}]},
    {"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"},
     "subject": {"reference": "Patient/p1"}, "period": {"start": "2020-01-01", "end": "2020-01-10"}},
    {"resourceType": "Encounter", "id": "e2", "status": "in-progress", "class": {"code": "IMP"},
     "subject": {"reference": "Patient/p2"}, "period": {"start": "2021-03-01"}},
    observation("o1", "Patient/p1", "1-1", "5.4", encounter={"reference": "Encounter/e1"}),
    observation("o2", "Patient/p1", "1-2", "5.40", "g", "2020-02-01T10:00:00Z"),
    observation("o3", "Patient/p2", "1-1", "100", "mg", "2021-01-01"),
    observation("o4", "Patient/p3", "1-3", when="2022", valueCodeableConcept={"coding": [{"code": "pos"}]}),
    observation("o5", "Patient/p4", "1-4", when="2023", valueCodeableConcept={"coding": [
        {"system": "urn:animals", "code": "dog"}]}),
    observation("o6", "Patient/p4", "1-5", when="2024", valueCodeableConcept={"coding": [
        {"system": "urn:animals", "code": "animal"}]}),
    {"resourceType": "CodeSystem", "id": "cs1", "status": "active", "url": "urn:animals", "content": "complete",
     "hierarchyMeaning": "is-a", "concept": [{"code": "animal", "concept": [{"code": "mammal"}, {"code": "fish"}]},
                                             {"code": "dog", "property": [{"code": "parent", "valueCode": "mammal"}]}]},
    {"resourceType": "CodeSystem", "id": "cs2", "status": "active", "url": "urn:flat", "content": "complete",
     "concept": [{"code": "a", "concept": [{"code": "b"}]}]},
    {"resourceType": "CodeSystem", "id": "cs3", "status": "active", "url": "urn:part", "content": "fragment",
     "hierarchyMeaning": "is-a", "concept": [{"code": "a"}]},
    value_set("listed", {"system": LOINC, "concept": [{"code": "1-1"}, {"code": "1-2"}]}, version="1"),
    value_set("without", {"valueSet": ["http://example.org/vs/listed"]},
              exclude=[{"system": LOINC, "concept": [{"code": "1-2"}]}]),
    value_set("nested", {"system": LOINC, "concept": [{"code": "1-2"}, {"code": "1-3"}],
                         "valueSet": ["http://example.org/vs/listed|1"]}),
    value_set("below", {"system": "urn:animals", "filter": [{"property": "concept", "op": "descendent-of", "value": "animal"}]}),
    value_set("genders", {"system": GENDER, "concept": [{"code": "female"}]}),
    value_set("circle", {"valueSet": ["http://example.org/vs/circle"]}),
    value_set("whole", {"system": "urn:part"}), value_set("regex", {
        "system": "urn:animals", "filter": [{"property": "concept", "op": "regex", "value": "d.*"}]}),
    {"resourceType": "RiskAssessment", "id": "r1", "status": "final", "subject": {"reference": "Patient/p1"},
     "prediction": [{"probabilityDecimal": Literal("0.50")}]},
    {"resourceType": "RiskAssessment", "id": "r2", "status": "final", "subject": {"reference": "Patient/p2"},
     "prediction": [{"probabilityDecimal": Literal("0.05")}]},
    {"resourceType": "List", "id": "l1", "status": "current", "mode": "working",
     "entry": [{"item": {"reference": f"{each}"}} for each in ("Patient/p1", "Patient/p3", "Observation/o2")]},
    {"resourceType": "ValueSet", "id": "v1", "status": "active", "url": "http://example.org/vs/one"},
    {"resourceType": "ValueSet", "id": "v2", "status": "draft", "url": "http://example.org/vs"},
    {"resourceType": "ValueSet", "id": "v3", "status": "draft", "url": "urn:oid:1.2.3"},
]


@pytest.fixture(scope="module", autouse=True)
def corpus(integration):
    answer = integration.transaction([
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in CORPUS])
    assert answer.status_code == 200, answer.text


CASES = [
    # string (search.html#string): starts with, without case and accents
    ("Patient?family=mul", "p1"), ("Patient?family=MÜL", "p1"), ("Patient?family=m", "p1 p2"),
    ("Patient?family=üller", ""), ("Patient?family=uller", ""), ("Patient?family:exact=Müller", "p1"),
    ("Patient?family:exact=müller", ""), ("Patient?family:exact=Muller", ""), ("Patient?family:exact=Mül", ""),
    ("Patient?family:contains=LLER", "p1 p2"), ("Patient?family:contains=z", ""),
    ("Patient?family=Müller,Smith", "p1 p3"), ("Patient?family=mueller&gender=male", "p2"),
    ("Patient?family=mueller&gender=female", ""), ("Patient?family=m&family=mul", "p1"),
    ("Patient?name:missing=true", "p4"), ("Patient?name:missing=false", "p1 p2 p3"),
    ("Patient?family=A\\,B", "p3"), ("Patient?family:exact=A\\,B\\|C\\$D", "p3"), ("Patient?family=A,B", "p3"),
    ("Patient?given=maria", "p1"), ("Patient?name=anna", "p1"), ("Patient?address-city=koln", "p1"),
    ("Patient?address=50667", "p1"), ("Patient?family=sm%69th", "p3"), ("Patient?phonetic:missing=true", "p4"),
    # token (search.html#token)
    ("Patient?gender=male", "p2"), ("Patient?gender=male,female", "p1 p2"), ("Patient?gender=Male", "p2"),
    ("Patient?gender:not=male", "p1 p3 p4"), ("Patient?gender:not=male,female", "p3 p4"),
    ("Patient?gender=urn:x|male", ""), (f"Patient?gender={GENDER}|male", "p2"), (f"Patient?gender={GENDER}|", "p1 p2 p3"),
    (f"Patient?gender={GENDER}|other", "p3"), (f"Patient?gender={GENDER}|unknown", ""),
    ("Patient?gender=urn:x|", ""), ("Patient?gender=|male", "p2"),
    (f"Patient?gender:not={GENDER}|male", "p1 p3 p4"), (f"Patient?gender={GENDER}x|male", ""),
    ("Patient?gender:missing=true", "p4"), ("Patient?identifier=1", "p1 p2 p3 p4"),
    ("Patient?identifier=urn:a|1", "p1"), ("Patient?identifier=urn:a|", "p1 p2"), ("Patient?identifier=|1", "p4"),
    ("Patient?identifier=urn:a|2,urn:c|1", "p2 p3"), ("Patient?identifier=urn:a|1&identifier=urn:b|1", ""),
    ("Patient?identifier=urn:a|2&identifier=urn:b|1", "p2"), ("Patient?identifier=urn:A|1", ""),
    ("Patient?identifier:of-type=urn:kinds|MR|1", "p3"), ("Patient?identifier:of-type=urn:kinds|XX|1", ""),
    ("Patient?active=true", "p1"), ("Patient?active=false", "p2"), ("Patient?active:missing=true", "p3 p4"),
    ("Patient?deceased=true", "p3"), ("Patient?deceased=false", "p1 p2 p4"), ("Patient?phone=555-1", "p1"),
    ("Patient?email=555-1", ""), ("Patient?language=de", "p1"),
    ("Patient?address-use=home", "p1"), ("Observation?code=1-1", "o1 o3"),
    (f"Observation?code={LOINC}|1-1", "o1 o3"), ("Observation?code=|1-1", ""),
    ("Observation?value-concept=pos", "o4"), ("Observation?status=final", "o1 o2 o3 o4 o5 o6"),
    ("Encounter?class=AMB", "e1"), ("Patient?_tag=vip", "p1"), ("Patient?_tag=urn:tags|vip", "p1"),
    ("Patient?_tag:not=vip", "p2 p3 p4"), ("Patient?_security=x", ""), ("Patient?_id=p1", "p1"),
    ("Patient?_id=p1,p3,none", "p1 p3"), ("Patient?_id:not=p1", "p2 p3 p4"), ("Patient?_id=o1", ""),
    # date (search.html#date): the range of the value against the range of the element
    ("Patient?birthdate=1980", "p2 p3"), ("Patient?birthdate=1980-06", "p3"), ("Patient?birthdate=1980-06-01", ""),
    ("Patient?birthdate=eq1970-01-15", "p1"), ("Patient?birthdate=ne1980", "p1"),
    ("Patient?birthdate=lt1980", "p1"), ("Patient?birthdate=gt1980", ""), ("Patient?birthdate=le1980", "p1 p2 p3"),
    ("Patient?birthdate=ge1980", "p2 p3"), ("Patient?birthdate=ge1980-06", "p2 p3"),
    ("Patient?birthdate=sa1979", "p2 p3"), ("Patient?birthdate=sa1980", ""), ("Patient?birthdate=eb1980", "p1"),
    ("Patient?birthdate=ge1970&birthdate=lt1980", "p1"), ("Patient?birthdate:missing=true", "p4"),
    ("Patient?death-date=2020-05-05", "p3"), ("Patient?death-date=2020-05-05T08:00Z", "p3"),
    ("Patient?death-date=2020-05-05T10:00:00%2B02:00", "p3"), ("Patient?death-date=2020-05-05T10:00:00Z", ""),
    ("Encounter?date=2020-01", "e1"), ("Encounter?date=2020-01-05", ""), ("Encounter?date=ge2020-01-05", "e1 e2"),
    ("Encounter?date=gt2025", "e2"), ("Encounter?date=lt2021", "e1"), ("Encounter?date=eb2020-01-11", "e1"),
    ("Encounter?date=sa2020-01-01", "e2"), ("Observation?date=2020", "o1 o2"), ("Observation?date=ge2021", "o3 o4 o5 o6"),
    ("Patient?_lastUpdated=gt2020-01-01", "p1 p2 p3 p4"), ("Patient?_lastUpdated=lt2020-01-01", ""),
    # number and quantity (search.html#number): a value stands for the range of its precision
    ("RiskAssessment?probability=0.5", "r1"), ("RiskAssessment?probability=0.50", "r1"),
    ("RiskAssessment?probability=0.05", "r2"), ("RiskAssessment?probability=0.51", ""),
    ("RiskAssessment?probability=gt0.4", "r1"), ("RiskAssessment?probability=lt0.5", "r2"),
    ("RiskAssessment?probability=ge0.05", "r1 r2"), ("RiskAssessment?probability=ne0.5", "r2"),
    ("RiskAssessment?probability=ap0.52", "r1"), ("RiskAssessment?probability=5e-1", "r1"),
    ("Observation?value-quantity=5.4", "o1 o2"), (f"Observation?value-quantity=5.4|{UCUM}|mg", "o1"),
    ("Observation?value-quantity=5.4||g", "o2"), (f"Observation?value-quantity=5.4|{UCUM}|kg", ""),
    ("Observation?value-quantity=gt5.4", "o3"), ("Observation?value-quantity=ge5.4", "o1 o2 o3"),
    ("Observation?value-quantity=lt10||mg", "o1"), ("Observation?value-quantity=1e2", "o3"),
    ("Observation?value-quantity:missing=true", "o4 o5 o6"), ("Observation?value-quantity=-5.4", ""),
    # reference (search.html#reference)
    ("Observation?subject=Patient/p1", "o1 o2"), ("Observation?patient=p1", "o1 o2"),
    ("Observation?patient=Patient/p1", "o1 o2"), ("Observation?subject:Patient=p1", "o1 o2"),
    ("Observation?subject=p1", "o1 o2"), ("Observation?subject={base}/Patient/p1", "o1 o2"),
    ("Observation?subject=Group/p1", ""), ("Observation?patient=p1,p2", "o1 o2 o3"),
    ("Observation?subject=http://elsewhere.example/fhir/Patient/p1", ""),
    ("Patient?general-practitioner=http://elsewhere.example/fhir/Practitioner/d1", "p3"),
    ("Patient?general-practitioner=Practitioner/d1", "p1"), ("Patient?organization=g1", "p1"),
    ("Patient?organization:missing=true", "p2 p3 p4"), ("Patient?link=p1", "p2"),
    ("Observation?encounter=e1&patient=p1", "o1"),
    # uri (search.html#uri)
    ("ValueSet?url=http://example.org/vs", "v2"), ("ValueSet?url=HTTP://example.org/vs", ""),
    ("ValueSet?url=http://example.org/vs/", ""), ("ValueSet?url=urn:oid:1.2.3", "v3"),
    ("ValueSet?url:below=http://example.org/vs&_id=v1,v2,v3", "v1 v2"), ("ValueSet?url:below=http://example.org/v", ""),
    ("ValueSet?url:above=http://example.org/vs/one", "v1 v2"),
    ("Patient?_profile=http://example.org/profile/a", "p1"),
    # composite
    (f"Observation?code-value-quantity={LOINC}|1-1$gt50", "o3"), ("Observation?code-value-quantity=1-2$5.4||g", "o2"),
    ("Observation?code-value-quantity=1-2$gt50", ""), ("Observation?code-value-concept=1-3$pos", "o4"),
    # chained (search.html#chaining)
    ("Observation?subject:Patient.family=mueller", "o3"), ("Observation?subject.family=M", "o1 o2 o3"),
    ("Observation?patient.gender=female&code=1-1", "o1"), ("Observation?subject:Patient.organization.name=general", "o1 o2"),
    ("Observation?subject:Patient.general-practitioner:Practitioner.family=doctor", "o1 o2"),
    ("Observation?subject:Group.code=x", ""), ("Observation?subject:Patient.family=nobody", ""),
    ("Observation?subject:Patient._id=p1,p3", "o1 o2 o4"), ("Observation?subject:Patient.gender:not=female", "o3 o4 o5 o6"),
    ("Observation?subject:Patient.birthdate=lt1975", "o1 o2"), ("Observation?subject:Patient.name:missing=true", "o5 o6"),
    ("Patient?link:Patient.family:exact=Müller", "p2"), ("Patient?general-practitioner.family=doctor", "p1"),
    ("Patient?_has:Observation:patient:code=1-1", "p1 p2"), ("Patient?_has:Observation:subject:code=1-3", "p3"),
    ("Patient?_has:Observation:patient:code=1-1&gender=male", "p2"), ("Patient?_has:Patient:link:_id=p2", "p1"),
    ("Organization?_has:Patient:organization:_has:Observation:patient:code=1-2", "g1"),
    ("Organization?_has:Patient:organization:_has:Observation:patient:code=1-3", ""),
    ("Encounter?patient._has:Observation:patient:code=1-2", "e1"), ("Encounter?_has:Observation:encounter:patient=p1", "e1"),
    ("Patient?_has:Encounter:patient:date=ge2021", "p2"),
    ("Patient?_has:Observation:patient:value-quantity=gt50", "p2"),
    # units of one dimension (search.html#quantity)
    (f"Observation?value-quantity=0.0054|{UCUM}|g", "o1"), (f"Observation?value-quantity=5400|{UCUM}|mg", "o2"),
    (f"Observation?value-quantity=gt99999|{UCUM}|ug", "o2 o3"), (f"Observation?value-quantity=lt6|{UCUM}|mL", ""),
    ("Observation?value-quantity=0.0054||g", ""), (f"Observation?code-value-quantity=1-1$le0.1|{UCUM}|g", "o1 o3"),
    # codes of value sets and hierarchies (search.html#modifiers)
    ("Observation?code:in=http://example.org/vs/listed", "o1 o2 o3"), ("Observation?code:not-in=http://example.org/vs/listed", "o4 o5 o6"),
    ("Observation?code:in=http://example.org/vs/listed|1", "o1 o2 o3"), ("Observation?code:in=http://example.org/vs/without", "o1 o3"),
    ("Observation?code:in=http://example.org/vs/without,http://example.org/vs/nested&patient=p1", "o1 o2"),
    ("Observation?code:in=http://example.org/vs/nested", "o2"), ("Observation?value-concept:in=http://example.org/vs/below", "o5"),
    ("Observation?value-concept:below=urn:animals|mammal", "o5"), ("Observation?value-concept:below=urn:animals|animal", "o5 o6"),
    ("Observation?value-concept:below=urn:animals|dog", "o5"), ("Observation?value-concept:above=urn:animals|dog", "o5 o6"),
    ("Observation?value-concept:above=urn:animals|animal", "o6"), ("Observation?value-concept:below=urn:animals|unknown", ""),
    ("Patient?gender:in=http://example.org/vs/genders", "p1"), ("Patient?gender:not-in=http://example.org/vs/genders", "p2 p3 p4"),
    ("Patient?_has:Observation:patient:value-concept:below=urn:animals|mammal", "p4"),
    ("Observation?subject:Patient.gender:in=http://example.org/vs/genders", "o1 o2"),
    # of a list (lists.html), of contained resources
    ("Patient?_list=l1", "p1 p3"), ("Observation?_list=l1", "o2"), ("Patient?_list=none", ""),
    ("Patient?_list=l1&gender=female", "p1"), ("Patient?_contained=false&_id=p1", "p1"),
    # nothing to find
    ("Patient?family=Nobody", ""), ("Account", ""), ("Patient", "p1 p2 p3 p4"),
]


@pytest.mark.parametrize("query,expected", CASES, ids=[case[0] for case in CASES])
def test_a_search_finds_exactly_what_it_means(integration, query, expected):
    bundle = integration.search(query.replace("{base}", integration.base))
    assert sorted(each["resource"]["id"] for each in matches(bundle)) == expected.split()
    assert bundle["type"] == "searchset"


def test_many_searches_in_one_batch_answer_as_each_alone(integration):
    entries = [{"request": {"method": "GET", "url": query}} for query, _ in CASES if "{base}" not in query]
    answer = integration.transaction(entries, kind="batch")
    found = [
        sorted(each["resource"]["id"] for each in matches(one["resource"])) for one in answer.json()["entry"]]
    assert found == [expected.split() for query, expected in CASES if "{base}" not in query]


MALFORMED = [
    "birthdate=x", "birthdate=1980-13", "birthdate=1980-02-30", "birthdate=xx1980", "birthdate=", "birthdate=1980,,1981",
    "birthdate=19800101", "birthdate=gt", "family=", "gender=", "gender=a|b|c", "gender=|", "active:missing=yes",
    "gender:missing=", "general-practitioner=Patient/a/b", "general-practitioner=a_b", "_id=", "_count=x", "_count=-1",
    "_count=1.5", "_count=1,2", "_sort=nonsense", "_sort=", "_sort=birthdate,,_lastUpdated", "_total=some",
    "_include=Patient", "_include=Nonsense:x", "_include=Patient:nonsense", "_include=Patient:birthdate",
    "_include=Patient:organization:Patient", "_include=", "_revinclude=Observation", "_lastUpdated=x", "_count=5&_count=6",
    "_sort=birthdate&_sort=-birthdate", "_total=none&_total=accurate",
]


@pytest.mark.parametrize("query", MALFORMED)
def test_a_malformed_value_is_a_400_that_names_the_parameter_and_not_the_value(integration, query):
    answer = integration.get(f"Patient?{query}")
    assert answer.status_code == 400, answer.text
    assert expressions(answer) == [query.split("=")[0]]
    value = urllib.parse.unquote(query.split("=", 1)[1])
    if len(value) > 3:
        assert value not in answer.text


@pytest.mark.parametrize("query", [
    "Observation?value-quantity=x", "Observation?value-quantity=5|x", "Observation?value-quantity=5|a|b|c",
    "RiskAssessment?probability=x", "RiskAssessment?probability=0.5.1", "RiskAssessment?probability=0x10",
    "Observation?code-value-quantity=1-1", "Observation?code-value-quantity=$5", "Observation?code-value-quantity=1-1$x",
    "Observation?code-value-quantity=a$1$2",
])
def test_a_malformed_measure_is_a_400(integration, query):
    answer = integration.get(query)
    assert answer.status_code == 400
    assert len(expressions(answer)) == 1


@pytest.mark.parametrize("query", [
    "family:below=x", "birthdate:exact=1980", "gender:contains=x", "gender:in=http://x", "name:in=http://x",
    "birthdate:not=1980", "family:not=x", "organization:above=g1", "_id:exact=x", "_lastUpdated:not=2020",
    "family:nonsense=x", "birthdate.year=1", "general-practitioner:Practitioner.name:not=x", "_contained=true",
    "_has:Patient:gender:_id=1",
])
def test_a_modifier_or_sort_key_that_is_not_offered_is_refused_clearly(integration, query):
    answer = integration.get(f"Patient?{query}")
    assert answer.status_code == 400
    assert outcome(answer)[0]["code"] == "not-supported"


@pytest.mark.parametrize("query,code", [
    ("Observation?code:in=http://example.org/vs/nowhere", "not-supported"), ("Observation?code:in=http://example.org/vs/listed|2", "not-supported"),
    ("Observation?code:in=http://example.org/vs/circle", "too-costly"), ("Observation?code:not-in=http://example.org/vs/whole", "not-supported"),
    ("Observation?code:in=http://example.org/vs/regex", "not-supported"), ("Observation?code:below=urn:flat|a", "not-supported"),
    ("Observation?code:below=urn:part|a", "not-supported"), ("Observation?code:above=urn:nowhere|a", "not-supported"),
    # Whatever there is otherwise.
    ("Observation?_id=none&code:in=http://example.org/vs/nowhere", "not-supported"),
    ("Patient?_has:Observation:patient:code:in=http://example.org/vs/nowhere", "not-supported"),
    ("Patient?_id=none&_has:Observation:patient:code:in=http://example.org/vs/nowhere", "not-supported"),
])
def test_codes_that_cannot_be_told_are_refused_by_the_parameter(integration, query, code):
    answer = integration.get(query)
    assert answer.status_code == 400, answer.text
    assert outcome(answer)[0]["code"] == code
    assert expressions(answer) == [query.split("?")[1].split("&")[-1].split("=")[0]]
    assert "example.org" not in answer.text and "urn:" not in answer.text


def test_more_than_a_thousand_alternatives_or_parameters_are_refused(integration):
    assert integration.post(
        "Patient/_search", "family=" + ",".join(["x"] * 1001),
        headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 400
    assert integration.post(
        "Patient/_search", "&".join(["family=x"] * 1001),
        headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 400


def test_a_thousand_alternatives_are_taken(integration):
    answer = integration.post(
        "Patient/_search", "_id=" + ",".join(["x"] * 999 + ["p1"]),
        headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert [each["resource"]["id"] for each in matches(answer.json())] == ["p1"]


# MARK: Links, totals, counts


def test_the_self_link_says_what_was_applied_and_can_be_followed(integration):
    bundle = integration.search("Patient?family=M%C3%BCller,A%5C%2CB&_count=5&_format=json")
    own = link(bundle, "self")
    parameters = urllib.parse.parse_qsl(urllib.parse.urlsplit(own).query)
    assert parameters == [("family", "Müller,A\\,B"), ("_count", "5")]
    again = integration.search(own)
    assert [each["resource"] for each in matches(again)] == [each["resource"] for each in matches(bundle)]


@pytest.mark.parametrize("total,expected", [("accurate", 4), ("estimate", 4), ("none", None)])
def test_total_is_answered_as_asked(integration, total, expected):
    assert integration.search(f"Patient?_total={total}&_count=1").get("total") == expected


def test_count_zero_answers_the_number_alone(integration):
    bundle = integration.search("Patient?_count=0")
    assert bundle["total"] == 4
    assert "entry" not in bundle
    assert link(bundle, "next") is None


def test_an_empty_answer_has_no_empty_entry(integration):
    assert "entry" not in integration.search("Patient?_id=none")


def test_every_entry_says_where_it_lies_and_why_it_is_there(integration):
    for each in integration.search("Patient?_id=p1&_include=Patient:organization")["entry"]:
        resource = each["resource"]
        assert each["fullUrl"] == f"{integration.base}/{resource['resourceType']}/{resource['id']}"
        assert each["search"]["mode"] == ("match" if resource["resourceType"] == "Patient" else "include")


# MARK: Sort


@pytest.mark.parametrize("query,expected", [
    ("Patient?_sort=birthdate&birthdate:missing=false", "p1 p2 p3"),
    ("Patient?_sort=-birthdate&_id=p1,p3", "p3 p1"),
    ("Observation?_sort=date", "o1 o2 o3 o4 o5 o6"), ("Observation?_sort=-date", "o6 o5 o4 o3 o2 o1"),
    ("Encounter?_sort=-date", "e2 e1"),
    ("Patient?_sort=family", "p3 p2 p1 p4"), ("Patient?_sort=-family", "p3 p1 p2 p4"),
    ("Patient?_sort=gender,-birthdate", "p1 p2 p3 p4"), ("Patient?_sort=-gender", "p3 p2 p1 p4"),
    ("Patient?_sort=_id", "p1 p2 p3 p4"), ("Patient?_sort=-_id", "p4 p3 p2 p1"),
    ("Observation?_sort=-value-quantity", "o2 o3 o1 o6 o5 o4"), ("Observation?_sort=subject,-date", "o2 o1 o3 o4 o6 o5"),
    ("Observation?_sort=-code,date", "o6 o5 o4 o2 o1 o3"), ("RiskAssessment?_sort=probability", "r2 r1"),
    ("ValueSet?_sort=url&_id=v1,v2,v3", "v2 v1 v3"), ("ValueSet?_sort=status,-url&_id=v1,v2,v3", "v1 v3 v2"),
])
def test_results_stand_in_the_order_asked_for(integration, query, expected):
    assert integration.ids(query) == expected.split()
    assert integration.ids(f"{query}&_count=1") == expected.split()


def test_sorting_keeps_what_has_no_value(integration):
    for order in ("birthdate", "-birthdate"):
        assert sorted(integration.ids(f"Patient?_sort={order}")) == ["p1", "p2", "p3", "p4"]


def test_last_updated_sorts_both_ways(integration):
    ids = [integration.create({"resourceType": "Basic", "code": {"text": "x"}})["id"] for _ in range(4)]
    assert integration.ids("Basic?_sort=_lastUpdated") == ids
    assert integration.ids("Basic?_sort=-_lastUpdated") == ids[::-1]
    assert integration.ids("Basic?_sort=-_lastUpdated&_count=1") == ids[::-1]


# MARK: Includes


@pytest.mark.parametrize("query,expected", [
    ("Observation?_id=o1&_include=Observation:subject", "Patient/p1"),
    ("Observation?_id=o1&_include=Observation:patient", "Patient/p1"),
    ("Observation?_id=o1&_include=Observation:subject:Patient", "Patient/p1"),
    ("Observation?_id=o1&_include=Observation:subject:Group", ""),
    ("Observation?patient=p1&_include=Observation:subject", "Patient/p1"),
    ("Observation?_id=o1&_include=Observation:subject&_include=Observation:encounter", "Encounter/e1 Patient/p1"),
    ("Observation?_id=o2&_include=Observation:encounter", ""),
    ("Patient?_id=p1&_include=Patient:organization&_include=Patient:general-practitioner",
     "Organization/g1 Practitioner/d1"),
    ("Patient?_id=p3&_include=Patient:general-practitioner", ""),
    ("Patient?_id=p2&_include=Patient:link", "Patient/p1"),
    ("Patient?_id=p1,p2&_include=Patient:link", ""),
    ("Patient?_id=p1&_revinclude=Observation:subject", "Observation/o1 Observation/o2"),
    ("Patient?_id=p1&_revinclude=Observation:patient&_revinclude=Encounter:patient",
     "Encounter/e1 Observation/o1 Observation/o2"),
    ("Patient?_id=p4&_revinclude=Encounter:subject", ""),
    ("Encounter?_id=e1&_revinclude=Observation:encounter&_include=Encounter:subject", "Observation/o1 Patient/p1"),
    ("Organization?_id=g1&_revinclude=Patient:organization", "Patient/p1"),
    ("Observation?_id=o1&_include=Observation:subject&_include:iterate=Patient:organization",
     "Organization/g1 Patient/p1"),
    ("Observation?_id=o1&_include=Observation:subject&_include=Patient:organization", "Patient/p1"),
    ("Observation?_id=o1&_include:iterate=Observation:subject&_include:iterate=Patient:general-practitioner"
     "&_include:iterate=Patient:organization", "Organization/g1 Patient/p1 Practitioner/d1"),
    ("Organization?_id=g1&_revinclude:iterate=Patient:organization&_revinclude:iterate=Encounter:subject",
     "Encounter/e1 Patient/p1"),
    ("Organization?_id=g1&_revinclude=Patient:organization&_revinclude=Encounter:subject", "Patient/p1"),
    ("Patient?_id=p2&_include:iterate=Patient:link&_include:iterate=Patient:organization", "Organization/g1 Patient/p1"),
    ("Observation?_id=o1&_include=*", "Encounter/e1 Patient/p1"),
    ("Observation?_id=o1&_include=Observation:*:Encounter", "Encounter/e1"),
    ("Observation?_id=o1&_include:iterate=*", "Encounter/e1 Organization/g1 Patient/p1 Practitioner/d1"),
    ("Encounter?_id=e1&_revinclude=*", "Observation/o1"), ("Patient?_id=p2&_revinclude=Observation:*", "Observation/o3"),
])
def test_includes_add_each_linked_resource_once(integration, query, expected):
    bundle = integration.search(query)
    found = [f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in included(bundle)]
    assert sorted(found) == expected.split()


def test_included_resources_do_not_count_as_matches(integration):
    bundle = integration.search("Patient?_id=p1&_revinclude=Observation:subject&_total=accurate&_count=1")
    assert bundle["total"] == 1
    assert len(matches(bundle)) == 1
    assert len(included(bundle)) == 2


def test_a_deleted_target_is_not_included(integration):
    organization = integration.create({"resourceType": "Organization", "name": "Closed"})
    person = integration.create({
        "resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": f"Organization/{organization['id']}"}})
    query = f"Basic?_id={person['id']}&_include=Basic:subject"
    assert len(included(integration.search(query))) == 1
    integration.delete(f"Organization/{organization['id']}")
    assert included(integration.search(query)) == []


# MARK: System and compartments


def named(bundle):
    return sorted(f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in matches(bundle))


@pytest.mark.parametrize("query,expected", [
    ("?_type=Patient,Encounter&_id=p1,e1", "Encounter/e1 Patient/p1"),
    ("?_type=Observation,Encounter&patient=p1", "Encounter/e1 Observation/o1 Observation/o2"),
    ("?_type=Patient&_tag=vip", "Patient/p1"), ("?_tag=urn:tags|vip", "Patient/p1"), ("?_id=g1", "Organization/g1"),
    ("?_profile=http://example.org/profile/a", "Patient/p1"), ("?_type=Patient&_id=o1", ""),
    ("?_type=Observation,Condition&subject:Patient.family=mueller", "Observation/o3"),
    ("Patient/p1/Observation", "Observation/o1 Observation/o2"), ("Patient/p1/Observation?code=1-2", "Observation/o2"),
    ("Patient/p1/Encounter", "Encounter/e1"), ("Patient/p4/Encounter", ""), ("Patient/none/Observation", ""),
    ("Patient/p1/Patient", "Patient/p1 Patient/p2"),
    ("Patient/p2/*?_type=Observation,Encounter", "Encounter/e2 Observation/o3"),
    ("Patient/p1/*", "Encounter/e1 Observation/o1 Observation/o2 Patient/p1 Patient/p2 RiskAssessment/r1"),
    ("Encounter/e1/Observation", "Observation/o1"), ("Encounter/e1/*", "Encounter/e1 Observation/o1"),
    ("Practitioner/d1/Patient", "Patient/p1"),
])
def test_the_system_and_compartments_are_searched(integration, query, expected):
    bundle = integration.search(query)
    assert named(bundle) == expected.split()
    assert link(bundle, "self").startswith(f"{integration.base}" + ("?" if query[0] == "?" else f"/{query.split('?')[0]}"))


def test_pages_of_the_system_and_of_compartments_lead_on(integration):
    for query, expected in (("?_type=Patient,Encounter&_count=2", 6), ("Patient/p1/*?_count=2", 6)):
        assert len(set(integration.ids(query))) == expected


def test_the_system_is_searched_by_post(integration):
    answer = integration.post(
        "_search", "_type=Patient&_id=p1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert named(answer.json()) == ["Patient/p1"]


@pytest.mark.parametrize("query,status", [
    ("Organization/g1/Patient", 404), ("Patient/p1/Medication", 404), ("Patient/p_1/Observation", 404),
    ("Patient/p1/*?_type=Medication", 400), ("?_type=Nothing", 400), ("?gender=male", 400), ("?_type=Patient&date=2020", 400),
    ("Patient?_type=Patient", 400),
])
def test_what_is_no_compartment_or_no_common_parameter_is_refused(integration, query, status):
    assert integration.get(query).status_code == status


# MARK: Pages


@pytest.fixture
def crowd(integration):
    """Twenty-five patients with a family name of their own."""
    family = f"Crowd{uuid.uuid4().hex}"
    answer = integration.transaction(
        [{"resource": {"resourceType": "Patient", "name": [{"family": family}]},
          "request": {"method": "POST", "url": "Patient"}} for _ in range(25)],
        headers={"Prefer": "return=representation"})
    return family, [each["resource"]["id"] for each in answer.json()["entry"]]


@pytest.mark.parametrize("count", [1, 4, 5, 24, 25, 26, 100])
def test_pages_show_each_match_once_and_all_of_them(integration, crowd, count):
    family, ids = crowd
    bundle = integration.search(f"Patient?family={family}&_count={count}")
    assert len(matches(bundle)) == min(count, 25)
    found = integration.ids(f"Patient?family={family}&_count={count}")
    assert sorted(found) == sorted(ids)


def test_previous_links_lead_back(integration, crowd):
    family, _ = crowd
    pages = [integration.search(f"Patient?family={family}&_count=10")]
    while link(pages[-1], "next"):
        pages.append(integration.search(link(pages[-1], "next")))
    assert [len(matches(page)) for page in pages] == [10, 10, 5]
    assert link(pages[0], "previous") is None
    back = integration.search(link(pages[2], "previous"))
    assert matches(back) == matches(pages[1])
    assert matches(integration.search(link(back, "previous"))) == matches(pages[0])


def test_each_page_has_the_same_total(integration, crowd):
    family, _ = crowd
    bundle = integration.search(f"Patient?family={family}&_count=10&_total=accurate")
    totals = [bundle["total"]]
    while link(bundle, "next"):
        bundle = integration.search(link(bundle, "next"))
        totals.append(bundle["total"])
    assert totals == [25, 25, 25]


def test_pages_neither_repeat_nor_skip_while_others_write(integration, crowd):
    family, ids = crowd
    bundle = integration.search(f"Patient?family={family}&_count=3")
    seen = [each["resource"]["id"] for each in matches(bundle)]
    step = 0
    while link(bundle, "next"):
        step += 1
        changed = ids[step % len(ids)]
        in_parallel([
            lambda: integration.create({"resourceType": "Patient", "name": [{"family": family}]}),
            lambda: integration.put(
                f"Patient/{changed}",
                {"resourceType": "Patient", "id": changed, "active": True, "name": [{"family": family}]}),
        ])
        bundle = integration.search(link(bundle, "next"))
        seen += [each["resource"]["id"] for each in matches(bundle)]
    assert sorted(seen) == sorted(ids)


def test_pages_of_a_chain_stay_as_they_were_found_while_its_far_end_changes(integration):
    family = f"Chained{uuid.uuid4().hex}"
    person = integration.create({"resourceType": "Patient", "name": [{"family": family}]})
    made = [integration.create({
        "resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": f"Patient/{person['id']}"}})["id"]
        for _ in range(7)]
    bundle = integration.search(f"Basic?subject:Patient.family={family}&_count=2&_sort=_id")
    assert bundle["total"] == 7
    seen = [each["resource"]["id"] for each in matches(bundle)]
    integration.put(f"Patient/{person['id']}", {"resourceType": "Patient", "id": person["id"], "active": True})
    while link(bundle, "next"):
        bundle = integration.search(link(bundle, "next"))
        assert bundle["total"] == 7
        seen += [each["resource"]["id"] for each in matches(bundle)]
    assert seen == sorted(made)
    assert integration.ids(f"Basic?subject:Patient.family={family}") == []


@pytest.mark.parametrize("query", [
    "Observation?" + "subject:Patient.link:" + "Patient.link:" * 8 + "Patient.name=quizzical", "Observation?focus.focus.focus._id=quizzical",
    "Observation?" + "focus." * 7 + "nothing=quizzical",
    "Observation?" + "&".join(["focus.identifier=quizzical"] * 300),
])
def test_a_chain_that_is_too_long_or_too_wide_is_refused_by_its_name(integration, query):
    answer = integration.get(query)
    assert answer.status_code == 400
    assert outcome(answer)[0]["code"] == "too-costly"
    assert expressions(answer) == [query.split("?")[1].split("=")[0]]
    assert "quizzical" not in answer.text


def test_what_is_deleted_meanwhile_is_on_no_later_page_and_on_no_page_before(integration, crowd):
    family, ids = crowd
    first = integration.search(f"Patient?family={family}&_count=10")
    second = integration.search(link(first, "next"))
    shown = [each["resource"]["id"] for each in matches(first)]
    unseen = [each for each in ids if each not in shown]
    removed = [shown[0], shown[9], unseen[-1]]
    for each in removed:
        assert integration.delete(f"Patient/{each}").status_code == 204
    back = integration.search(link(second, "previous"))
    assert [each["resource"]["id"] for each in matches(back)] == shown[1:9]
    rest = []
    bundle = first
    while link(bundle, "next"):
        bundle = integration.search(link(bundle, "next"))
        rest += [each["resource"]["id"] for each in matches(bundle)]
    assert sorted(rest) == sorted(each for each in unseen if each not in removed)


def page_of(url):
    return urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["_page"][0]


def test_a_page_link_names_no_value(integration, crowd):
    family, _ = crowd
    following = link(integration.search(f"Patient?family={family}&_count=10"), "next")
    assert family not in following
    assert [name for name, _ in urllib.parse.parse_qsl(urllib.parse.urlsplit(following).query)] == ["_page"]


def test_a_page_link_of_somebody_else_is_refused(integration, clinician, crowd):
    family, _ = crowd
    following = link(integration.search(f"Patient?family={family}&_count=10"), "next")
    answer = clinician.get(following)
    assert answer.status_code == 410
    assert family not in answer.text
    assert integration.get(following).status_code == 200


def test_an_altered_page_link_is_refused(integration, crowd):
    family, _ = crowd
    page = page_of(link(integration.search(f"Patient?family={family}&_count=10"), "next"))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    altered = [page[:-4], page + "AAAA", "", "A", "%00", page.swapcase(), page[::-1], "=" + page]
    for position in range(0, len(page) - 1, 7):
        letter = alphabet[(alphabet.index(page[position]) + 32) % 64]
        altered.append(page[:position] + letter + page[position + 1:])
    for each in altered:
        answer = integration.get(f"Patient?_page={urllib.parse.quote(each, safe='%')}")
        assert answer.status_code in (400, 410), each
        assert "Patient/" not in answer.text


def test_a_page_link_does_not_work_for_another_type_or_with_more_parameters(integration, crowd):
    family, _ = crowd
    page = page_of(link(integration.search(f"Patient?family={family}&_count=10"), "next"))
    assert integration.get(f"Practitioner?_page={page}").status_code == 410
    assert integration.get(f"Patient?_page={page}&family=x").status_code == 400
    assert integration.get(f"Patient?_page={page}&_count=100").status_code == 400
    assert integration.get(f"Patient?_page={page}&_page={page}").status_code == 400


def test_pages_by_post_are_the_same(integration, crowd):
    family, _ = crowd
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    first = integration.post("Patient/_search", f"family={family}&_count=10", headers=form).json()
    page = page_of(link(first, "next"))
    got = integration.search(link(first, "next"))
    posted = integration.post("Patient/_search", f"_page={page}", headers=form).json()
    assert matches(posted) == matches(got)


def test_a_page_larger_than_the_largest_is_cut_and_goes_on(integration):
    family = f"Huge{uuid.uuid4().hex}"
    integration.transaction(
        [{"resource": {"resourceType": "Patient", "name": [{"family": family}]},
          "request": {"method": "POST", "url": "Patient"}} for _ in range(1010)])
    bundle = integration.search(f"Patient?family={family}&_count=5000")
    assert len(matches(bundle)) == 1000
    assert len(matches(integration.search(link(bundle, "next")))) == 10


def test_searches_while_others_write_see_whole_resources_only(integration):
    family = f"Live{uuid.uuid4().hex}"

    def write(number):
        return integration.create({"resourceType": "Patient", "name": [{"family": family, "given": [str(number)]}]})

    def look(_):
        return [len(each["resource"]["name"][0]["given"]) for each in matches(integration.search(f"Patient?family={family}"))]

    calls = [lambda n=n: write(n) if n % 2 else look(n) for n in range(30)]
    for result in in_parallel(calls):
        assert isinstance(result, dict) or set(result) <= {1}
    assert len(integration.ids(f"Patient?family={family}")) == 15


def test_searches_answer_the_same_after_a_restart_and_page_links_end(house, integration, crowd):
    family, ids = crowd
    following = link(integration.search(f"Patient?family={family}&_count=10"), "next")
    before = {query: integration.ids(query) for query, _ in CASES[:100:5]}
    house.restart()
    again = house.client("integration")
    # The module's clients go on with a new token.
    integration.session.headers["Authorization"] = again.session.headers["Authorization"]
    assert {query: integration.ids(query) for query in before} == before
    assert integration.get(following).status_code == 410
