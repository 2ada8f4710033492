"""Attempts, retries and fault injection."""

from itertools import pairwise

import pytest

from tests.local.clerk.standin import TIME_SCALE, Endpoint, StandIn

#: Between attempts. Source: https://docs.svix.com/retries
RETRY_DELAYS_S = (5, 300, 1800, 7200, 18000, 36000, 36000)


class TestDeliveries:
    def test_failed_attempts_are_retried_on_schedule(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        endpoint.status = 500
        user = stand_in.create(first_name="Retried")
        message = stand_in.wait_for_state(user, "failed")
        attempts = endpoint.deliveries_about(user)
        assert len(attempts) == len(message["attempts"]) == 8
        assert {attempt.headers["svix-id"] for attempt in attempts} == {message["id"]}
        gaps = [later.at - earlier.at for earlier, later in pairwise(attempts)]
        for gap, wait_s in zip(gaps, RETRY_DELAYS_S, strict=True):
            assert wait_s * TIME_SCALE * 0.8 <= gap + 0.01  # tolerate differences between clocks
            assert gap <= wait_s * TIME_SCALE * 1.2 + 3  # tolerate delays on a busy machine

    def test_successful_retry_is_the_last_attempt(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        endpoint.status = 503
        user = stand_in.create(first_name="Recovered")
        endpoint.wait_for(user, 2)
        endpoint.status = 204
        message = stand_in.wait_for_state(user, "delivered")
        assert message["attempts"][0]["status"] == 503
        assert message["attempts"][-1]["status"] == 204

    @pytest.mark.parametrize("status", (302, 400))
    def test_statuses_other_than_2xx_are_failures(self, status: int, stand_in: StandIn, endpoint: Endpoint) -> None:
        endpoint.status = status
        user = stand_in.create(first_name="Not yet")
        endpoint.wait_for(user, 2)
        attempt = stand_in.messages(user)[0]["attempts"][0]
        assert (attempt["status"], attempt["answer"]) == (status, '{"outcome": "of the endpoint"}')

    def test_slow_response_does_not_delay_other_deliveries(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        endpoint.pause_s = 1.0
        slow = stand_in.create(first_name="Slow")
        endpoint.wait_for(slow)
        endpoint.pause_s = 0.0
        quick = stand_in.create(first_name="Quick")
        stand_in.wait_for_state(quick, "delivered")
        assert stand_in.messages(slow)[0]["state"] == "pending"
        stand_in.wait_for_state(slow, "delivered")

    def test_duplicate_has_the_same_svix_id(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        stand_in.call("PATCH", "/local/settings", {"duplicate": True})
        user = stand_in.create(first_name="Twice")
        stand_in.wait_for_state(user, "delivered")
        first, second = endpoint.deliveries_about(user)
        assert first.headers["svix-id"] == second.headers["svix-id"]
        assert first.event == second.event

    def test_delay_precedes_first_attempt(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        stand_in.call("PATCH", "/local/settings", {"delay_s": 1})
        user = stand_in.create(first_name="Late")
        [delivery] = endpoint.wait_for(user)
        assert delivery.at - delivery.event["timestamp"] / 1000 >= 0.99

    def test_shuffled_events_are_held_until_there_are_enough(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        stand_in.call("PATCH", "/local/settings", {"shuffle": 3})
        held = [stand_in.create(first_name=f"Held {n}") for n in range(2)]
        assert [stand_in.messages(user)[0]["state"] for user in held] == ["held", "held"]
        assert endpoint.deliveries_about(held[0]) == []
        held.append(stand_in.create(first_name="Third"))
        for user in held:
            assert len(endpoint.wait_for(user)) == 1

    def test_dropped_events_are_logged_and_never_sent(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        stand_in.call("PATCH", "/local/settings", {"lose_percent": 100})
        lost = stand_in.create(first_name="Lost")
        stand_in.call("PATCH", "/local/settings", {"lose_percent": 0})
        endpoint.wait_for(stand_in.create(first_name="Next"))
        assert stand_in.messages(lost)[0]["state"] == "lost"
        assert endpoint.deliveries_about(lost) == []

    @pytest.mark.parametrize("faults", ({"lose_percent": 101}, {"shuffle": -1}, {"delay_s": "soon"}, {"speed": 1}))
    def test_invalid_fault_injection_is_rejected(self, faults: dict[str, object], stand_in: StandIn) -> None:
        before = stand_in.call("GET", "/local/settings")[1]
        status, response = stand_in.call("PATCH", "/local/settings", faults)
        assert (status, bool(response["errors"][0]["message"])) == (400, True)
        assert stand_in.call("GET", "/local/settings")[1] == before
