"""Rules about impossible travel."""

import math

import pytest

from stonelog.indexer.detect.travel import Place, distance, place_of
from stonelog.indexer.detect.travel_data import COUNTRIES

from .conftest import engine, event

RULE = 'form = "travel"\nby = ["username"]\nwindow = "1h"\nspeed_kmh = 1000\ndistance_km = 500\n'
HOUR = 3600


def at(seconds, country, **metadata):
    return event(seconds, username="ada", country=country, **({"metadata": metadata} if metadata else {}))


def test_two_continents_within_an_hour_are_found(find):
    """Germany and Australia an hour apart; the finding names both events and how fast it was."""
    (found,) = find(RULE, [at(0, "DE"), at(HOUR, "AU")])
    assert (found.seqs, found.details["from"], found.details["to"]) == ((1, 2), "DE", "AU")
    assert found.details["kmh"] > 5000


def test_neighbours_and_flights_are_not(find):
    """Next door at once, the same country, or far away after a day, is nothing."""
    assert find(RULE, [at(0, "DE"), at(60, "FR"), at(120, "PL"), at(180, "DE")]) == []
    assert find(RULE, [at(0, "US"), at(60, "CA"), at(120, "US")]) == []
    assert find(RULE, [at(0, "DE"), at(24 * HOUR, "AU")]) == []


def test_coordinates_go_before_the_country(find):
    """New York and Los Angeles are one country and too far apart for ten minutes."""
    events = [at(0, "US", latitude=40.7, longitude=-74.0), at(600, "US", latitude=34.05, longitude=-118.2)]
    (found,) = find(RULE, events)
    assert 3900 < found.details["km"] < 4000


@pytest.mark.parametrize("odd", [{"latitude": 99, "longitude": 0}, {"latitude": "x", "longitude": 1}, {"latitude": 1}])
def test_coordinates_that_are_none_are_not_believed(odd):
    """The country is taken then."""
    assert place_of(at(0, "DE", **odd)) == ("DE", Place(*COUNTRIES["DE"]))
    assert place_of(at(0, "ZZ")) is None


def test_distances_are_right():
    """Half way round the earth is half its girth, and circles that touch are 0 apart."""
    assert math.isclose(distance(Place(0, 0), Place(0, 180)), math.pi * 6371, rel_tol=1e-6)
    assert distance(Place(50, 10, 300), Place(50, 12, 300)) == 0


def test_every_country_has_a_place():
    """The table has the 249 codes of ISO 3166-1 and Kosovo's, on the earth."""
    assert len(COUNTRIES) >= 250
    assert all(abs(latitude) <= 90 and abs(longitude) <= 180 for latitude, longitude, _ in COUNTRIES.values())


def test_it_goes_on_after_a_restart():
    """Where a user was before is known after."""
    before = engine(RULE)
    before.see(at(0, "DE"), 1)
    assert len(engine(RULE, before.state()).see(at(60, "AU"), 2)) == 1
