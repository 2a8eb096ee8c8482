"""Realms: one password file each, what they answer at once, and what they have checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.auth.children import ChildReactor
from tests.unit.auth.doorway import NOW, REALM, Request, basic, digest, write_htdigest, write_htpasswd
from tracd_cluster.auth.nonces import Nonces
from tracd_cluster.auth.passwords import digest_ha1, hash_password
from tracd_cluster.auth.realms import BasicRealm, Denied, DigestRealm, Granted, Undecided, Verdict
from tracd_cluster.auth.verifier import LINE_LIMIT, Verifier
from tracd_cluster.settings.auth import AuthEntry


class Basic:
    """A realm with Basic, and the processes that check for it."""

    def __init__(self, folder: Path, limit: int = 10) -> None:
        self.file = write_htpasswd(folder / "users", {"ann": "secret"})
        self.reactor = ChildReactor()
        self.verifier = Verifier(self.reactor, 1)
        entry = AuthEntry(kind="basic", project="*", file=str(self.file), realm=REALM)
        self.realm = BasicRealm(entry, b"secret", 300.0, self.verifier, limit)

    def rewrite(self, text: str) -> None:
        """Put another file in place, and let the realm see it."""
        self.file.with_suffix(".new").write_text(text)
        self.file.with_suffix(".new").rename(self.file)
        self.realm.look(NOW + 1)

    def decide(self, user: str, password: str) -> list[Verdict]:
        """Have a password checked."""
        verdicts: list[Verdict] = []
        self.realm.decide(Request(authorization=basic(user, password)), NOW, verdicts.append)
        return verdicts

    def at_once(self, user: str, password: str, now: float = NOW) -> Verdict | None:
        """Give what is known without a check."""
        return self.realm.at_once(Request(authorization=basic(user, password)), now)

    @property
    def asked(self) -> list[dict[str, str]]:
        """Give the questions that are with the process."""
        return [question for child in self.reactor.children for question in child.asked]

    def answer(self, right: bool) -> None:
        """Let the process answer one of them."""
        self.reactor.children[-1].answer(right)


@pytest.fixture
def one(tmp_path: Path) -> Basic:
    """A realm that ann is in."""
    return Basic(tmp_path)


def test_a_right_password_is_granted_and_remembered(one: Basic) -> None:
    """The second time costs nothing, until its time is over."""
    assert one.at_once("ann", "secret") is None
    told = one.decide("ann", "secret")
    one.reactor.children[0].work()
    assert [Granted("ann")] == told
    assert Granted("ann") == one.at_once("ann", "secret", NOW + 299.9)
    assert one.at_once("ann", "secret", NOW + 300.0) is None
    assert one.at_once("ann", "wrong") is None
    assert one.at_once("Ann", "secret") is None


@pytest.mark.parametrize(
    ("user", "password", "verdict"),
    [
        ("ann", "wrong", Denied("ann", "wrong password", guess=True)),
        ("ann", "", Denied("ann", "wrong password", guess=True)),
        ("eve", "secret", Denied("eve", "no such user", guess=True)),
    ],
)
def test_a_wrong_one_is_denied_and_checked_each_time(
    one: Basic, user: str, password: str, verdict: Verdict
) -> None:
    """A guess is a guess, however often it comes."""
    for _ in range(2):
        told = one.decide(user, password)
        one.reactor.children[0].work()
        assert [verdict] == told
        assert one.at_once(user, password) is None


def test_a_stranger_costs_as_much_as_a_friend_and_never_gets_in(one: Basic) -> None:
    """The time of an answer tells no names; a password that fits somebody else's hash is of no use."""
    told = one.decide("eve", "secret")
    [question] = one.asked
    assert question["hash"] == one.file.read_text().strip().partition(":")[2]
    one.answer(True)
    assert [Denied("eve", "no such user", guess=True)] == told
    assert one.at_once("eve", "secret") is None


def test_a_stranger_s_checks_look_like_those_of_one_account(tmp_path: Path) -> None:
    """The same name has the same hash each time, or a change of the time would tell that it is nobody's."""
    one = Basic(tmp_path)
    hashes = [hash_password(str(number), "bcrypt", 4) for number in range(3)]
    one.rewrite("".join(f"user{number}:{hash_}\n" for number, hash_ in enumerate(hashes)))
    asked = set()
    for _ in range(5):
        one.decide("eve", "x")
        asked.add(one.asked[0]["hash"])
        one.answer(False)
    assert 1 == len(asked)
    assert asked < set(hashes)


def test_who_is_locked_out_takes_as_long_as_others(one: Basic) -> None:
    """An account with * for a hash, or ! before it, is not told from others by its time; and nobody gets in."""
    hash_ = one.file.read_text().strip().partition(":")[2]
    one.rewrite(f"ann:{hash_}\nben:*\ncas:!{hash_}\n")
    for user in ("ben", "cas"):
        told = one.decide(user, "secret")
        assert hash_ == one.asked[0]["hash"]
        one.answer(True)
        assert [Denied(user, "wrong password", guess=True)] == told


def test_a_file_that_nobody_can_use_lets_nobody_in(one: Basic) -> None:
    """Where there is no hash at all, there is none to borrow, and the answer is no."""
    one.rewrite("ben:*\n")
    told = one.decide("eve", "")
    assert "" == one.asked[0]["hash"]
    one.reactor.children[0].work()
    assert [Denied("eve", "no such user", guess=True)] == told


def test_the_same_question_at_the_same_time_is_one_check(one: Basic) -> None:
    """A browser that opens a page and ten of its files does not log in eleven times."""
    told = [one.decide("ann", "secret") for _ in range(11)]
    other = one.decide("ann", "other")
    assert 1 == len(one.asked)
    one.answer(True)
    assert [[Granted("ann")]] * 11 == told
    assert ["other"] == [question["password"] for question in one.asked]
    one.answer(False)
    assert [Denied("ann", "wrong password", guess=True)] == other


def test_what_could_not_be_checked_is_not_decided(one: Basic) -> None:
    """A process that dies, and a line that is full, are nobody's failure; the next time it is tried again."""
    told = one.decide("ann", "secret")
    one.reactor.children[0].end(1)
    assert [Undecided()] == told
    for number in range(LINE_LIMIT + 1):
        one.decide("ann", str(number))
    assert [Undecided()] == one.decide("ann", "secret")
    while one.asked:
        one.answer(False)
    told = one.decide("ann", "secret")
    one.answer(True)
    assert [Granted("ann")] == told


def test_an_answer_about_an_old_file_is_not_remembered(one: Basic) -> None:
    """Whoever changes a password while it is being checked has not left the old one open for minutes."""
    old = one.decide("ann", "secret")
    one.rewrite(f"ann:{hash_password('changed', 'sha')}\n")
    new = one.decide("ann", "secret")
    one.answer(True)
    assert [Granted("ann")] == old
    assert one.at_once("ann", "secret") is None
    assert [] == new
    one.answer(False)
    assert [Denied("ann", "wrong password", guess=True)] == new


def test_passwords_are_not_kept(one: Basic) -> None:
    """What is remembered is no password, and shows nothing when it is printed by mistake."""
    one.decide("ann", "secret")
    one.reactor.children[0].work()
    [remembered] = one.realm._remembered.values()
    assert b"secret" not in remembered.key
    assert f"Remembered(until={NOW + 300}, tries=5)" == repr(remembered)


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    """Whoever was found right longest ago is checked again."""
    one = Basic(tmp_path, limit=3)
    hash_ = one.file.read_text().strip().partition(":")[2]
    one.rewrite("".join(f"{user}:{hash_}\n" for user in "abcd"))
    for user in "abcad":
        one.decide(user, "secret")
        one.reactor.children[0].work()
    assert [Granted("a"), None, Granted("c"), Granted("d")] == [one.at_once(user, "secret") for user in "abcd"]


# -- Digest


class Digest:
    """A realm with Digest."""

    def __init__(self, folder: Path) -> None:
        self.file = write_htdigest(folder / "users", {"ann": "secret", "ben": "hidden"})
        self.nonces = Nonces(b"secret", NOW)
        entry = AuthEntry(kind="digest", project="*", file=str(self.file), realm=REALM)
        self.realm = DigestRealm(entry, self.nonces)

    def decide(self, authorization: bytes) -> list[Verdict]:
        """Have a response checked."""
        verdicts: list[Verdict] = []
        self.realm.decide(Request(authorization=authorization), NOW, verdicts.append)
        return verdicts

    def at_once(self, authorization: bytes) -> Verdict | None:
        """Give what is known without a turn in the line."""
        return self.realm.at_once(Request(authorization=authorization), NOW)


def test_a_proven_nonce_is_answered_at_once(tmp_path: Path) -> None:
    """From its first right response on, and only to the user who gave that."""
    one = Digest(tmp_path)
    nonce = one.nonces.issue(REALM, b"MD5", NOW)
    assert one.at_once(digest("ann", "wrong", nonce, 1)) is None
    assert [Denied("ann", "wrong user or password", guess=True)] == one.decide(digest("ann", "wrong", nonce, 1))
    assert one.at_once(digest("ann", "secret", nonce, 1)) is None
    assert [Granted("ann")] == one.decide(digest("ann", "secret", nonce, 1))
    assert Granted("ann") == one.at_once(digest("ann", "secret", nonce, 2))
    assert one.at_once(digest("ben", "hidden", nonce, 3)) is None
    assert [Granted("ben")] == one.decide(digest("ben", "hidden", nonce, 3))
    stale = one.at_once(digest("ann", "secret", nonce, 2))
    assert isinstance(stale, Denied)
    assert (True, False) == (stale.stale, stale.guess)


def test_what_is_no_digest_needs_no_check(tmp_path: Path) -> None:
    """It is asked for anew, and counts as no guess."""
    one = Digest(tmp_path)
    assert Denied() == one.at_once(basic("ann", "secret"))
    assert Denied() == one.at_once(b"Digest ,,=")


def test_a_user_with_a_new_password_is_out_at_once(tmp_path: Path) -> None:
    """A proven nonce does not outlive what it was proven with."""
    one = Digest(tmp_path)
    nonce = one.nonces.issue(REALM, b"MD5", NOW)
    one.decide(digest("ann", "secret", nonce, 1))
    write_htdigest(one.file, {"ann": "changed"})
    one.realm.look(NOW + 1)
    denied = one.at_once(digest("ann", "secret", nonce, 2))
    assert Denied("ann", "wrong user or password", guess=True) == denied


def test_the_challenge_offers_what_the_file_has(tmp_path: Path) -> None:
    """A file with SHA-256 hashes asks for that first."""
    one = Digest(tmp_path)
    assert [b"MD5"] == [algorithm_of(value) for value in one.realm.challenges(NOW, stale=False)]
    both = [f"ann:{REALM}:{digest_ha1('ann', REALM, 'secret', kind)}\n" for kind in ("md5", "sha256")]
    one.file.with_suffix(".new").write_text("".join(both))
    one.file.with_suffix(".new").rename(one.file)
    one.realm.look(NOW + 1)
    offers = one.realm.challenges(NOW, stale=True)
    assert [b"SHA-256", b"MD5"] == [algorithm_of(value) for value in offers]
    assert all(b"stale=true" in value for value in offers)


def algorithm_of(challenge: bytes) -> bytes:
    """Give the algorithm that a challenge asks for."""
    return challenge.partition(b"algorithm=")[2].partition(b",")[0]
