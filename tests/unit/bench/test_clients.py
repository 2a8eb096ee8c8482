"""The clients of the measurements: where they come from, and what they ask for."""

from __future__ import annotations

import ipaddress
import random
from itertools import islice
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.addresses import NETWORKS, PEOPLE, address_of
from tests.bench.people import clicks
from tests.bench.strangers import walk

REVISIONS = [f"{number:040x}" for number in range(100)]


@given(st.integers(0, NETWORKS * 254 - 1))
def test_each_client_has_a_loopback_address_of_its_own(number: int) -> None:
    """In another network than its neighbour, and none of the people's."""
    address, neighbour = (ipaddress.ip_address(address_of(each)) for each in (number, number + 1))
    assert address in ipaddress.ip_network("127.0.0.0/8")
    assert neighbour not in ipaddress.ip_network(f"{address}/24", strict=False)
    assert not address_of(number).startswith(PEOPLE.format(number=0)[:8])
    assert address.packed[3] not in (0, 255)


def test_seven_thousand_are_all_different() -> None:
    """As many as are silent."""
    assert 7000 == len({address_of(number) for number in range(7000)})


def test_strangers_walk_all_slow_kinds_and_hardly_ever_the_same_page() -> None:
    """Or it would be a cache that is measured."""
    pages = list(islice(walk(REVISIONS, random.Random(1)), 900))
    kinds = {urlsplit(page).path.split("/")[1] for page in pages}
    assert {"changeset", "log", "browser", "timeline", "query", "search"} == kinds
    assert len(set(pages)) > 600
    assert any("annotate=" in page for page in pages)
    assert pages != list(islice(walk(REVISIONS, random.Random(2)), 900))


def test_one_revision_is_enough_to_walk() -> None:
    """A small repository has no older half."""
    assert 9 == len(list(islice(walk(REVISIONS[:1], random.Random(1)), 9)))


def test_people_click_what_people_click() -> None:
    """A page, a ticket, a list of tickets."""
    pages = list(islice(clicks(random.Random(1)), 30))
    assert {"wiki", "ticket", "query"} == {urlsplit(page).path.split("/")[1] for page in pages}
