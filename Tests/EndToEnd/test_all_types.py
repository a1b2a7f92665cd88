"""All 146 concrete resource types of R4: created, read, found by every search parameter, updated, deleted."""

import json
import pathlib
import uuid

import pytest

from conftest import matches, receipt

#: One resource a type with its required elements and nothing else, derived from the official definitions.
MINIMAL = json.loads((pathlib.Path(__file__).parent / "minimal_resources.json").read_text())

#: A well-formed value for each type of search parameter.
VALUES = {
    "date": "ge1900", "number": "gt-1000000", "quantity": "gt-1000000", "reference": "Patient/x", "string": "x",
    "token": "x", "uri": "http://example.org/x",
}


@pytest.fixture(scope="module")
def statement(house):
    return {each["type"]: each for each in house.stranger().get("metadata").json()["rest"][0]["resource"]}


def test_there_are_146_types_and_the_capabilities_name_the_same(statement):
    assert len(MINIMAL) == 146
    assert sorted(statement) == sorted(each["resourceType"] for each in MINIMAL)


@pytest.mark.parametrize("resource", MINIMAL, ids=lambda each: each["resourceType"])
def test_a_minimal_resource_lives_its_whole_life(integration, resource):
    kind = resource["resourceType"]
    tag = {"system": "urn:test", "code": uuid.uuid4().hex}
    created = integration.create({**resource, "meta": {"tag": [tag]}})
    path = f"{kind}/{created['id']}"
    for key, value in resource.items():
        assert created[key] == value
    answer = integration.get(path)
    assert answer.json() == created
    receipt(answer)
    assert integration.ids(f"{kind}?_tag=urn:test|{tag['code']}") == [created["id"]]
    assert integration.ids(f"{kind}?_id={created['id']}&_lastUpdated=ge2020") == [created["id"]]
    updated = integration.put(path, {**created, "language": "de"})
    assert updated.status_code == 200, updated.text
    assert updated.json()["language"] == "de"
    assert [each["response"]["etag"] for each in integration.search(f"{path}/_history")["entry"]] == ['W/"2"', 'W/"1"']
    assert integration.delete(path).status_code == 204
    assert integration.get(path).status_code == 410
    assert integration.ids(f"{kind}?_tag={tag['code']}") == []


@pytest.mark.parametrize(
    "resource", [each for each in MINIMAL if len(each) > 1], ids=lambda each: each["resourceType"])
def test_without_a_required_element_it_is_refused(integration, resource):
    for key in [key for key in resource if key != "resourceType"]:
        lacking = {name: value for name, value in resource.items() if name != key}
        answer = integration.post(resource["resourceType"], lacking)
        assert answer.status_code == 422, key


@pytest.mark.parametrize("resource", MINIMAL, ids=lambda each: each["resourceType"])
def test_an_element_that_the_type_does_not_have_is_refused(integration, resource):
    answer = integration.post(resource["resourceType"], {**resource, "nonsense": "x"})
    assert answer.status_code == 422


@pytest.mark.parametrize("resource", MINIMAL, ids=lambda each: each["resourceType"])
def test_every_search_parameter_that_is_promised_is_answered(integration, statement, resource):
    kind = resource["resourceType"]
    parameters = statement[kind]["searchParam"]
    assert {"_id", "_lastUpdated"} <= {each["name"] for each in parameters}
    queries = []
    for each in parameters:
        value = VALUES.get(each["type"])
        if each["name"] == "_lastUpdated":
            value = "ge1900"
        if value is not None:
            queries.append(f"{kind}?{each['name']}={value}")
        queries += [f"{kind}?{each['name']}:missing=true", f"{kind}?{each['name']}:missing=false"]
    for name in statement[kind].get("searchInclude", []):
        queries.append(f"{kind}?_include={name}")
    answer = integration.transaction([{"request": {"method": "GET", "url": query}} for query in queries], kind="batch")
    refused = [
        (query, each["response"].get("outcome"))
        for query, each in zip(queries, answer.json()["entry"]) if not each["response"]["status"].startswith("200")]
    assert refused == []


def test_missing_splits_each_type_in_two(integration, statement):
    """For every parameter, what has a value and what has none are together all, and nothing is in both."""
    for resource in MINIMAL:
        integration.create(resource)
    for kind, each in statement.items():
        names = [parameter["name"] for parameter in each["searchParam"]]
        queries = [f"{kind}?_count=0"]
        for name in names:
            queries += [f"{kind}?_count=0&{name}:missing=true", f"{kind}?_count=0&{name}:missing=false"]
        answer = integration.transaction([{"request": {"method": "GET", "url": query}} for query in queries], kind="batch")
        totals = [one["resource"]["total"] for one in answer.json()["entry"]]
        assert totals[0] >= 1
        for name, without, having in zip(names, totals[1::2], totals[2::2]):
            assert without + having == totals[0], f"{kind}.{name}"


@pytest.fixture(scope="module")
def examples_by_type(examples):
    """The smallest examples of each type, three at most."""
    found = {}
    for path in sorted(examples.glob("*.json"), key=lambda each: (each.stat().st_size, each.name)):
        found.setdefault(path.name.split("-")[0], []).append(path)
    return {kind: paths[:3] for kind, paths in found.items()}


def test_the_official_examples_of_each_type_can_be_found_by_what_they_hold(integration, statement, examples_by_type):
    tried = 0
    for kind, paths in examples_by_type.items():
        if kind not in statement:
            continue
        for path in paths:
            resource = json.loads(path.read_text())
            # Labelled: not for a backend system.
            if resource.get("securityLabel") or resource.get("meta", {}).get("security"):
                continue
            if resource.get("resourceType") != kind or integration.put(
                    f"{kind}/{resource.get('id')}", resource).status_code not in (200, 201):
                continue
            tried += 1
            parameters = {each["name"] for each in statement[kind]["searchParam"]}
            queries = {f"{kind}?_id={resource['id']}"}
            if "identifier" in parameters and isinstance(resource.get("identifier"), list):
                for identifier in resource["identifier"]:
                    if identifier.get("value") and not set(identifier["value"]) & set(",|$\\&#+%"):
                        queries.add(f"{kind}?identifier={identifier.get('system', '')}|{identifier['value']}")
            for name in ("status", "gender"):
                if name in parameters and isinstance(resource.get(name), str):
                    queries.add(f"{kind}?{name}={resource[name]}&_count=1000")
            if "url" in parameters and isinstance(resource.get("url"), str):
                queries.add(f"{kind}?url={resource['url']}")
            for query in queries:
                found = [each["resource"]["id"] for each in matches(integration.search(query))]
                assert resource["id"] in found, query
    assert tried > 250
