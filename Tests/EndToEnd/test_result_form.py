"""How an answer looks: conditional reads, HEAD, _summary, _elements, _pretty; always of what the policy lets through."""

import json
import uuid

import pytest

from conftest import expressions, link, matches, outcome, receipt

NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">words</div>'}
PART = {"system": "urn:ward:view", "code": "part"}
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def unique():
    return f"u{uuid.uuid4().hex}"


def patient(family=None, **more):
    return {
        "resourceType": "Patient", "text": NARRATIVE, "active": True,
        "name": [{"family": family or unique(), "given": ["Ada"]}], "birthDate": "1970-01-02",
        "maritalStatus": {"text": "married"},
        "contact": [{"name": {"family": "Next"}, "telecom": [{"system": "phone", "value": "1"}]}],
        "communication": [{"language": {"text": "Dutch"}, "preferred": True}],
        "link": [{"other": {"reference": "Patient/other"}, "type": "seealso"}], **more}


def kinds(house, index):
    return next(each["kind"] for each in house.events() if each["index"] == index)


# MARK: Conditional reads


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', '*', 'W/"7", W/"1"'])
def test_who_has_the_version_gets_a_304_without_it_and_the_read_is_in_the_log(house, integration, tag):
    stored = integration.create(patient())
    answer = integration.get(f"Patient/{stored['id']}", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == 'W/"1"'
    index, _ = receipt(answer)
    event = next(each for each in house.events() if each["index"] == index)
    assert event["kind"] == "read" and stored["id"] in json.dumps(event)


@pytest.mark.parametrize("tag", ['W/"2"', 'W/"0"', "x", "", '"', "W/", 'W/"1'])
def test_another_tag_than_that_of_the_version_gets_the_record(integration, tag):
    stored = integration.create(patient())
    answer = integration.get(f"Patient/{stored['id']}", headers={"If-None-Match": tag})
    assert answer.status_code == 200 and answer.json() == stored


def test_a_date_is_compared_by_the_second_and_counts_only_without_a_tag(integration):
    stored = integration.create(patient())
    path = f"Patient/{stored['id']}"
    date = integration.get(path).headers["Last-Modified"]
    assert integration.get(path, headers={"If-Modified-Since": date}).status_code == 304
    later = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert integration.get(path, headers=later).status_code == 304
    assert integration.get(path, headers={**later, "If-None-Match": 'W/"9"'}).status_code == 200
    assert integration.get(f"{path}/_history/1", headers=later).status_code == 304


@pytest.mark.parametrize("date", [
    "Thu, 01 Jan 1970 00:00:00 GMT", "2100-01-01T00:00:00Z", "Sat, 01 Jan 2100 00:00:00 GMT",
    "Fri, 32 Jan 2100 00:00:00 GMT", "Fri, 01 Foo 2100 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 CET",
    "Fri, 01 Jan 2100 25:00:00 GMT", "x", "Friday, 01-Jan-00 00:00:00 GMT", "Fri, 1 Jan 2100 00:00:00 GMT"])
def test_an_old_date_or_one_that_is_none_gets_the_record(integration, date):
    stored = integration.create(patient())
    assert integration.get(f"Patient/{stored['id']}", headers={"If-Modified-Since": date}).status_code == 200


def test_what_may_not_be_seen_or_is_gone_is_no_304(integration, house):
    stored = integration.create(patient())
    path = f"Patient/{stored['id']}"
    assert house.client("administrator").get(path, headers={"If-None-Match": "*"}).status_code == 403
    integration.delete(path)
    assert integration.get(path, headers={"If-None-Match": "*"}).status_code == 410
    assert integration.get("Patient/none", headers={"If-None-Match": "*"}).status_code == 404


def test_entries_of_a_batch_and_of_a_transaction_may_have_a_tag(integration):
    stored = integration.create(patient())
    for kind in ("batch", "transaction"):
        bundle = integration.transaction([
            {"request": {"method": "GET", "url": f"Patient/{stored['id']}", "ifNoneMatch": tag}}
            for tag in ('W/"1"', 'W/"2"')], kind).json()
        assert [each["response"]["status"] for each in bundle["entry"]] == ["304", "200"]
        assert ["resource" in each for each in bundle["entry"]] == [False, True]


@pytest.mark.parametrize("path", ["Patient/{id}", "Patient/{id}/_history/1", "Patient/{id}/_history", "Patient?_id={id}"])
def test_a_head_is_a_get_without_its_body(house, integration, path):
    path = path.format(id=integration.create(patient())["id"])
    got, head = integration.get(path), integration.request("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert head.headers.get("ETag") == got.headers.get("ETag")
    if "ETag" in got.headers:
        assert head.headers["Content-Length"] == str(len(got.content))
    assert kinds(house, receipt(head)[0]) == kinds(house, receipt(got)[0])
    # The connection goes on.
    assert integration.get(path).status_code == 200


def test_a_head_of_nothing_is_a_404_and_of_what_is_written_to_only_a_405(integration):
    assert integration.request("HEAD", "Patient/none").status_code == 404
    assert integration.request("HEAD", "Patient/_search").status_code == 405
    # Of the base it is that of a search in all types.
    assert integration.request("HEAD", "").status_code == integration.get("").status_code != 405


# MARK: _summary and _elements


def keys(resource):
    return set(resource) - {"resourceType", "id", "meta"}


# Of the definition of Patient: what is marked as summary; text and what is required; all but text.
SUMMARY = {"active", "name", "birthDate", "link"}


@pytest.mark.parametrize("query,expected", [
    ("_summary=true", SUMMARY), ("_summary=text", {"text", "active", "link"}),
    ("_summary=data", keys(patient()) - {"text"}), ("_summary=false", keys(patient())),
    ("_elements=birthDate", {"birthDate", "active", "link"}),
    ("_elements=Patient.birthDate,name,Observation.status", {"birthDate", "name", "active", "link"}),
    ("_elements=text", {"text", "active", "link"}), ("_elements=id", {"active", "link"}),
])
def test_a_part_has_what_was_asked_for_and_what_must_not_be_missed(integration, query, expected):
    stored = integration.create(patient())
    whole = query == "_summary=false"
    # active and link are modifiers.
    bodies = [
        integration.get(f"Patient/{stored['id']}?{query}").json(),
        integration.get(f"Patient/{stored['id']}/_history/1?{query}").json(),
        matches(integration.search(f"Patient?_id={stored['id']}&{query}"))[0]["resource"],
        integration.search(f"Patient/{stored['id']}/_history?{query}")["entry"][0]["resource"],
        integration.transaction(
            [{"request": {"method": "GET", "url": f"Patient/{stored['id']}?{query}"}}], "batch",
        ).json()["entry"][0]["resource"],
    ]
    for body in bodies:
        assert keys(body) == expected
        for key in keys(body) - {"contact", "communication"}:
            assert body[key] == stored[key]
        assert body["meta"].get("tag", []) == ([] if whole else [SUBSETTED, PART])
        assert body["meta"]["versionId"] == "1"


def test_a_summary_of_an_element_with_parts_has_the_parts_that_belong_there(integration):
    stored = integration.create({
        "resourceType": "Encounter", "status": "planned", "class": {"code": "AMB"},
        "participant": [{"type": [{"text": "t"}], "period": {"start": "2020"}, "individual": {"display": "d"}}],
        "location": [{"location": {"display": "l"}}]})
    body = integration.get(f"Encounter/{stored['id']}?_summary=true").json()
    assert "location" not in body
    assert body["participant"] == [{"type": [{"text": "t"}], "individual": {"display": "d"}}]


def test_what_stays_refers_to_a_contained_resource_only_with_it(integration):
    stored = integration.create({
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "contained": [{"resourceType": "Practitioner", "id": "p"}], "performer": [{"reference": "#p"}]})
    path = f"Observation/{stored['id']}"
    assert "contained" in integration.get(f"{path}?_elements=performer").json()
    assert "contained" not in integration.get(f"{path}?_elements=code").json()


def test_pages_and_included_records_keep_the_form(integration):
    family = unique()
    for _ in range(3):
        integration.create(patient(family))
    bundle = integration.search(f"Patient?family={family}&_count=2&_elements=birthDate")
    assert "_elements=birthDate" in link(bundle, "self")
    seen = matches(bundle) + matches(integration.search(link(bundle, "next")))
    assert len(seen) == 3
    assert all(keys(each["resource"]) == {"birthDate", "active", "link"} for each in seen)


def test_a_count_has_no_records(integration):
    family = unique()
    for _ in range(2):
        stored = integration.create(patient(family))
    bundle = integration.search(f"Patient?family={family}&_summary=count")
    assert bundle["total"] == 2 and "entry" not in bundle
    history = integration.search(f"Patient/{stored['id']}/_history?_summary=count")
    assert history["total"] == 1 and "entry" not in history


@pytest.mark.parametrize("query,expression", [
    ("_summary=maybe", "_summary"), ("_summary=", "_summary"), ("_summary=TRUE", "_summary"),
    ("_summary=true&_summary=true", "_summary"), ("_elements=nonsense", "_elements"), ("_elements=", "_elements"),
    ("_elements=name,,birthDate", "_elements"), ("_elements=name.family", "_elements"),
    ("_elements=Nonsense.name", "_elements"), ("_elements=name&_elements=name", "_elements"),
    ("_summary=true&_elements=name", "_elements"), ("_elements=Patient.name.family", "_elements"),
])
@pytest.mark.parametrize("path", ["Patient/{id}", "Patient", "Patient/{id}/_history", "Patient/{id}/_history/1"])
def test_a_form_that_means_nothing_is_refused_by_name(integration, query, expression, path):
    stored = integration.create(patient())
    answer = integration.get(f"{path.format(id=stored['id'])}?{query}")
    assert answer.status_code == 400
    assert expressions(answer) == [expression]


def test_one_record_is_not_counted(integration):
    stored = integration.create(patient())
    assert integration.get(f"Patient/{stored['id']}?_summary=count").status_code == 400


@pytest.mark.parametrize("query", ["_summary=true", "_elements=name", "_summary=data"])
def test_a_part_is_not_stored_in_place_of_the_whole(integration, query):
    stored = integration.create(patient())
    path = f"Patient/{stored['id']}"
    part = integration.get(f"{path}?{query}").json()
    for answer in (
        integration.put(path, part), integration.post("Patient", part),
        integration.transaction([{"resource": part, "request": {"method": "PUT", "url": path}}]),
    ):
        assert answer.status_code == 422, answer.text
        assert expressions(answer) == ["Patient.meta.tag"]
    assert integration.get(path).json() == stored


def test_a_part_shows_no_more_than_the_policy_lets_through(integration, front_desk):
    stored = integration.create(patient())
    path = f"Patient/{stored['id']}"
    shown = front_desk.get(path)
    assert shown.status_code == 200 and "maritalStatus" not in shown.json()
    for query in ("_elements=maritalStatus", "_elements=maritalStatus,name", "_summary=data", "_summary=true",
                  "_summary=false", "_summary=text"):
        part = front_desk.get(f"{path}?{query}")
        assert part.status_code == 200
        assert keys(part.json()) <= keys(shown.json())
        assert "married" not in part.text


# MARK: _pretty and _format


def test_pretty_is_the_same_over_several_lines(integration):
    stored = integration.create(patient())
    for path in (f"Patient/{stored['id']}", f"Patient?_id={stored['id']}", "Patient/none"):
        separator = "&" if "?" in path else "?"
        plain, pretty = integration.get(path), integration.get(f"{path}{separator}_pretty=true")
        assert pretty.status_code == plain.status_code
        assert "\n  " in pretty.text and "\n" not in plain.text
        assert "\n" not in integration.get(f"{path}{separator}_pretty=false").text
    exact = f"Patient/{stored['id']}"
    assert integration.get(f"{exact}?_pretty=true").json() == integration.get(exact).json()


def test_a_format_that_is_not_offered_is_a_406(integration):
    stored = integration.create(patient())
    for value, status in (("json", 200), ("application/fhir%2Bjson", 200), ("xml", 406), ("ttl", 406), ("", 406)):
        assert integration.get(f"Patient/{stored['id']}?_format={value}").status_code == status
    outcome(integration.get(f"Patient/{stored['id']}?_format=xml"))
