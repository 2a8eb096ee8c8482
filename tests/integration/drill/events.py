"""What happens in the drill: each event changes something, and returns when the change is seen from outside."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from tests.certificates import issue
from tests.integration.drill.people import People
from tests.integration.drill.site import LONG_PATH, SOON, WORKERS, Site, live, save
from tests.integration.load import TOKEN
from tests.processes import wait_until

KILLS = 3

Event = Callable[[Site, People, int], None]
"""It is told the number of the round, so that what it changes is never what was there before."""


def kill_workers(site: Site, people: People, turn: int) -> None:
    """Kill -9 one worker after the other, whatever it does, each when the one before has been replaced.

    And when whoever was with it has an answer: nobody's page is asked of a third worker.
    """
    chance = random.Random(turn)
    for _ in range(KILLS):
        workers = site.rest()
        pid = workers[chance.choice(sorted(workers))]
        # Of a file that has begun to be answered nobody can send the rest, as nobody can for any other server.
        wait_until(lambda pid=pid: _stopped_elsewhere(site, pid), SOON, "a moment at which it sends no file")  # type: ignore[misc]
        kill_worker(site, pid)
        people.all_go_on()


def _stopped_elsewhere(site: Site, pid: int) -> bool:
    """Stop a worker, unless it is at the long file."""
    os.kill(pid, signal.SIGSTOP)
    [worker] = [worker for worker in site.report()["workers"] if worker["pid"] == pid]
    if any(LONG_PATH in asked["path"] for asked in worker["asked"]):
        os.kill(pid, signal.SIGCONT)
        return False
    return True


def kill_worker(site: Site, pid: int) -> None:
    """Kill -9 a worker and wait until another one is in its place."""
    site.kills += 1
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in site.rest().values(), SOON, f"another worker than {pid}")


def kill_a_worker_at_a_post(site: Site, people: People, turn: int) -> None:
    """Kill -9 a worker that has made a ticket and has not said so, then one that has not made it quite."""
    for when, there in (("after", 1), ("within", 0)):
        summary = f"load held {when} {turn}"
        mark = site.folder / f"mark-{when}-{turn}"
        with ThreadPoolExecutor() as client:
            status = client.submit(_hold, site, {"summary": summary, "when": when, "mark": str(mark)})
            wait_until(mark.exists, SOON, f"the worker that holds a request; {status!r}")
            kill_worker(site, int(mark.read_text()))
            assert 502 == status.result(SOON)
        with contextlib.closing(sqlite3.connect(site.env / "db" / "trac.db")) as database:
            rows = database.execute("SELECT COUNT(*) FROM ticket WHERE summary = ?", (summary,))
            assert (there,) == rows.fetchone()
        people.all_go_on()


def _hold(site: Site, form: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", site.daemon.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/newticket")
        page = connection.getresponse()
        cookies = "; ".join(v.partition(";")[0] for n, v in page.getheaders() if n == "Set-Cookie")
        token = TOKEN.search(page.read())
        assert token is not None
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookies}
        body = urlencode({"__FORM_TOKEN": token[1].decode(), **form})
        connection.request("POST", "/drill/hold", body, headers)
        return connection.getresponse().status


def kill_the_template(site: Site, people: People, turn: int) -> None:
    """Kill -9 the process that workers are forked from: another one, and workers of its own, follow."""
    old, generation = site.rest(), site.generation()
    os.kill(site.template(), signal.SIGKILL)
    new = site.rest_after(generation)
    assert set() == set(old.values()) & set(new.values())


def edit_a_plugin(site: Site, people: People, turn: int) -> None:
    """Save good code."""
    generation = site.generation()
    site.save_plugin(f"good {turn}")
    wait_until(site.says(f"good {turn}"), SOON, "the new word")
    site.rest_after(generation)


def break_a_plugin_and_mend_it(site: Site, people: People, turn: int) -> None:
    """Save what is no code: nothing changes; then good code again."""
    serving, place = site.rest(), len(site.daemon.log)
    word = site.daemon.get("/drill/word").decode()
    save(site.plugin, "def broken(:\n")
    wait_until(lambda: "does not take over" in site.daemon.log_since(place), SOON, "word of the bad edit")
    wait_until(lambda: len(live(site.report())) == 1, SOON, "the end of what came to nothing")
    assert site.says(word)()
    assert serving == {worker["number"]: worker["pid"] for worker in site.report()["workers"]}
    generation = site.generation()
    site.save_plugin(f"mended {turn}")
    wait_until(site.says(f"mended {turn}"), SOON, "the mended word")
    site.rest_after(generation)


def edit_trac_ini(site: Site, people: People, turn: int) -> None:
    """Give the project another name: every page has it at the next request, then come new workers."""
    generation = site.generation()
    site.name_project(f"Tide {turn}")
    wait_until(lambda: f"Tide {turn}".encode() in site.daemon.get("/about"), SOON, "the new name")
    site.rest_after(generation)


def hang_up(site: Site, people: People, turn: int) -> None:
    """Send HUP."""
    old, generation = site.rest(), site.generation()
    os.kill(site.daemon.pid, signal.SIGHUP)
    new = site.rest_after(generation)
    assert set() == set(old.values()) & set(new.values())


def scale(site: Site, people: People, turn: int) -> None:
    """Have one worker, then four, then one, and at last as many as before."""
    for count in (1, 4, 1, WORKERS):
        done = site.daemon.ctl("scale", str(count))
        assert 0 == done.returncode, done
        assert count == len(site.rest())


def restart(site: Site, people: People, turn: int) -> None:
    """Have new workers, as the operator asks for them."""
    old = site.rest()
    done = site.daemon.ctl("restart")
    assert 0 == done.returncode, done
    assert set() == set(old.values()) & set(site.rest().values())


def upgrade(site: Site, people: People, turn: int) -> None:
    """Have another front in the place of this one."""
    front = site.daemon.pid
    old = site.rest()
    done = site.daemon.ctl("upgrade")
    assert 0 == done.returncode, f"{done}\n{site.daemon.log}"
    assert front != site.daemon.pid
    assert set() == set(old.values()) & set(site.rest().values())
    wait_until(lambda: front not in {one.pid for one in site.daemon.tree.alive()}, SOON, "the end of the old front")


def swap_the_certificate(site: Site, people: People, turn: int) -> None:
    """Put another certificate in the place of the one that is shown."""
    old = site.shown()
    new = site.save_certificate(issue("localhost", "127.0.0.1", serial=turn + 1))
    assert new != old
    wait_until(lambda: site.shown() == new, SOON, "the new certificate")


EVENTS: tuple[Event, ...] = (
    kill_workers,
    kill_a_worker_at_a_post,
    kill_the_template,
    edit_a_plugin,
    break_a_plugin_and_mend_it,
    edit_trac_ini,
    hang_up,
    scale,
    restart,
    upgrade,
    swap_the_certificate,
)
