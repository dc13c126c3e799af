"""Which tokens have ended."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.web.identity.expiry import TokenExpiry

TIMES = st.floats(0, 20)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 9), TIMES, st.booleans()), max_size=40),
    st.lists(TIMES, max_size=10).map(sorted),
)
def test_owners_end_once_within_a_second_of_their_time(
    steps: list[tuple[int, float, bool]], times: list[float]
) -> None:
    expiry: TokenExpiry[int] = TokenExpiry()
    expected: dict[int, float] = {}
    for owner, at, stays in steps:
        if owner in expected:
            expiry.discard(owner, expected.pop(owner))
        if stays:
            expiry.add(owner, at)
            expected[owner] = at
    assert len(expiry) == len(expected)
    for now in times:
        ended = expiry.pop_expired(now)
        assert len(set(ended)) == len(ended)
        for owner in ended:
            assert expected.pop(owner) <= now
        assert all(at > now - 1 for at in expected.values())
        assert len(expiry) == len(expected)


def test_discarding_what_is_not_there_does_nothing() -> None:
    expiry: TokenExpiry[str] = TokenExpiry()
    expiry.discard("a", 1.0)
    expiry.add("a", 1.0)
    expiry.discard("b", 1.0)
    expiry.discard("a", 2.0)
    assert expiry.pop_expired(3.0) == ["a"]
