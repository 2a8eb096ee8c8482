"""People who work: ``python -m tests.bench.people PORT COUNT PATIENCE USER PASSWORD``.

Each comes from a network of his own, logs in as USER with his number, and keeps the cookie that Trac gives him. It
says ``ready`` when all are in. For each line of standard input, a number of seconds, they click for as long, with
pauses to read what they get; then it prints what they had to wait, as one line of JSON.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from threading import Event, Lock, Thread
from time import perf_counter

from tests.bench.addresses import PEOPLE

READING = 0.3, 1.2
"""Seconds between two clicks: shorter than anybody reads, so that there is enough to count."""
NOT_ANSWERED = "no answer"


def clicks(rng: random.Random) -> Iterator[str]:
    """Give what somebody clicks who works with tickets, without end."""
    while True:
        yield from ("/wiki/WikiStart", f"/ticket/{rng.randrange(1, 40)}", "/query?status=!closed&order=priority")


class Person:
    """Somebody who is signed in."""

    def __init__(self, port: int, number: int, patience: float) -> None:
        self._rng = random.Random(number)
        self._clicks = clicks(self._rng)
        self._cookie = ""
        source = PEOPLE.format(number=number), 0
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience, source_address=source)

    def log_in(self, user: str, password: str) -> None:
        """Get the cookie that says who he is."""
        credentials = b64encode(f"{user}:{password}".encode()).decode()
        self._connection.request("GET", "/login", headers={"Authorization": f"Basic {credentials}"})
        answer = self._connection.getresponse()
        answer.read()
        cookies = [field.partition(";")[0] for field in answer.headers.get_all("Set-Cookie") or []]
        if answer.status not in (302, 303) or not any(each.startswith("trac_auth=") for each in cookies):
            raise RuntimeError(f"{user} could not log in: {answer.status}, {cookies}")
        self._cookie = "; ".join(cookies)

    def click(self, path: str = "") -> tuple[float, str]:
        """Get one page; give the milliseconds, and the status, or why there is none."""
        begin = perf_counter()
        try:
            self._connection.request("GET", path or next(self._clicks), headers={"Cookie": self._cookie})
            answer = self._connection.getresponse()
            answer.read()
            what = str(answer.status)
        except TimeoutError:
            self._connection.close()
            what = NOT_ANSWERED
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            what = type(error).__name__
        return (perf_counter() - begin) * 1e3, what

    def read(self, over: Event) -> None:
        """Pause for a while."""
        over.wait(self._rng.uniform(*READING))


class People:
    """All of them."""

    def __init__(self, people: list[Person]) -> None:
        self._people = people
        self._lock = Lock()

    def work(self, seconds: float) -> dict[str, object]:
        """Click for a while; what was clicked in that time is waited for."""
        over, answers, latencies = Event(), Counter[str](), list[float]()

        def work(person: Person) -> None:
            person.read(over)
            while not over.is_set():
                elapsed, what = person.click()
                with self._lock:
                    latencies.append(elapsed)
                    answers[what] += 1
                person.read(over)

        threads = [Thread(target=work, args=(person,), daemon=True) for person in self._people]
        for thread in threads:
            thread.start()
        over.wait(seconds)
        over.set()
        for thread in threads:
            thread.join()
        return {"latencies": latencies, "answers": dict(answers)}


def main(port: int, count: int, patience: float, user: str, password: str) -> None:
    """Work as often as standard input says."""
    found = [Person(port, number, patience) for number in range(count)]
    for number, person in enumerate(found):
        person.log_in(f"{user}{number}", password)
        person.click("/wiki/WikiStart")
    people = People(found)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(people.work(float(line))), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5])
