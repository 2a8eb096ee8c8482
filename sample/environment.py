"""Makes a Trac environment to look at, to test with and to measure on: ``python -m sample.environment PATH``.

It holds a small project as a team would leave it: tickets that were talked about, wiki pages that point at each
other, a git repository, milestones, a report of its own, people with passwords. The same options and the same day
give the same content.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sample import content, repository

PASSWORD = "harbour"  # noqa: S105 - everybody's, in the sample
SQLITE = "sqlite:db/trac.db"
MANY_DAYS = 120
"""How far back the project's story goes; Trac's timeline shows the last thirty days of it."""
OPEN = ("TICKET_CREATE", "TICKET_APPEND", "WIKI_CREATE", "WIKI_MODIFY")
"""What visitors without an account may do where the environment is open."""
REPORT = """
SELECT p.value AS __color__, t.component AS __group__, id AS ticket, summary, owner, t.milestone,
       changetime AS modified
  FROM ticket t LEFT JOIN enum p ON p.name = t.priority AND p.type = 'priority'
 WHERE t.status <> 'closed' ORDER BY t.component, CAST(p.value AS integer), changetime DESC
"""


@dataclass(frozen=True)
class Recipe:
    """How much of everything, and the luck of the draw."""

    tickets: int = 40
    pages: int = 30
    commits: int = 12
    seed: int = 1
    open: bool = False
    today: date | None = None
    database: str = SQLITE
    """As in trac.ini; another database than SQLite's has to be there, and empty."""

    def dates(self, count: int) -> list[datetime]:
        """Spread ``count`` moments over the story, the last one yesterday."""
        day = self.today or datetime.now(UTC).date()
        end = datetime.combine(day, time(16, 40), UTC) - timedelta(days=1)
        return [end - timedelta(days=MANY_DAYS * (count - 1 - number) / max(1, count)) for number in range(count)]


def create(path: Path, recipe: Recipe) -> None:
    """Make the environment; ``path`` must not be there yet, or be an empty folder."""
    from trac.env import Environment

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        Environment(str(path), create=True, options=_options(recipe)).shutdown()
        _fill(path, recipe)
    except BaseException:
        # Half an environment would look like a whole one the next time.
        shutil.rmtree(path, ignore_errors=True)
        raise


def _fill(path: Path, recipe: Recipe) -> None:
    from trac.env import Environment

    shutil.copy(content.HERE / "logo.svg", path / "htdocs" / "tidewatch.svg")
    # Opened again, because the components that the options enable are there only now.
    env = Environment(str(path))
    try:
        with env.db_transaction:
            _add_everything(env, path, recipe)
    finally:
        env.shutdown()


def _options(recipe: Recipe) -> list[tuple[str, str, str]]:
    return [
        ("project", "name", content.PROJECT),
        ("project", "descr", content.DESCRIPTION),
        ("trac", "database", recipe.database),
        ("components", "tracopt.versioncontrol.git.*", "enabled"),
        ("header_logo", "src", "site/tidewatch.svg"),
        ("header_logo", "alt", content.PROJECT),
        ("header_logo", "link", "/wiki"),
        ("attachment", "max_size", str(64 << 20)),
        ("logging", "log_type", "file"),
        ("logging", "log_level", "INFO"),
    ]


def _add_everything(env: Any, path: Path, recipe: Recipe) -> None:
    rng = random.Random(recipe.seed)
    _add_people(env, path, rng, recipe.open)
    _add_plan(env, recipe)
    _add_tickets(env, rng, recipe)
    _add_pages(env, rng, recipe)
    if repository.available():
        repository.create(path / "git", rng, recipe.dates(recipe.commits), recipe.tickets)
        _add_repository(env, path / "git")


def _add_people(env: Any, path: Path, rng: random.Random, open_to_all: bool) -> None:
    from trac.perm import PermissionSystem
    from trac.web.session import DetachedSession

    (path / "users.htpasswd").write_text("".join(_password_lines(rng)), encoding="utf-8")
    permissions = PermissionSystem(env)
    permissions.grant_permission("admin", "TRAC_ADMIN")
    for action in OPEN if open_to_all else ():
        permissions.grant_permission("anonymous", action)
    for person in content.PEOPLE:
        session = DetachedSession(env, person.login)
        session.authenticated = True
        session["name"], session["email"] = person.name, f"{person.login}@tidewatch.example"
        session.save()


def _password_lines(rng: random.Random) -> Iterator[str]:
    from passlib.hash import apr_md5_crypt

    for person in content.PEOPLE:
        salt = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8))
        yield f"{person.login}:{apr_md5_crypt.using(salt=salt).hash(PASSWORD)}\n"


def _add_plan(env: Any, recipe: Recipe) -> None:
    """Replace the milestones, components and versions that Trac puts in as examples."""
    from trac.ticket.model import Component, Milestone, Report, Version

    for kind in (Component, Milestone, Version):
        for example in kind.select(env):
            example.delete()
    for name, owner in content.COMPONENTS.items():
        component = Component(env)
        component.name, component.owner = name, owner
        component.insert()
    moments = recipe.dates(len(content.MILESTONES))
    for number, (name, description) in enumerate(content.MILESTONES.items()):
        milestone = Milestone(env)
        milestone.name, milestone.description = name, description
        milestone.completed = moments[number] if name in content.VERSIONS else None
        milestone.due = moments[-1] + timedelta(days=30 * number)
        milestone.insert()
    for name, moment in zip(content.VERSIONS, moments, strict=False):
        version = Version(env)
        version.name, version.time = name, moment
        version.insert()
    report = Report(env)
    report.title, report.query = "Open tickets by component", REPORT.strip()
    report.description = "What is open, for the one who keeps each part."
    report.insert()


def _add_tickets(env: Any, rng: random.Random, recipe: Recipe) -> None:
    moments = recipe.dates(recipe.tickets)
    for number, text in enumerate(content.ticket_texts(rng, recipe.tickets)):
        _add_ticket(env, rng, text, moments[number], done=rng.random() < 0.85 - 0.6 * number / recipe.tickets)


def _add_ticket(env: Any, rng: random.Random, text: content.TicketText, moment: datetime, done: bool) -> None:
    from trac.ticket.model import Ticket

    owner, reporter = content.COMPONENTS[text.component], rng.choice(content.AUTHORS).login
    milestone = rng.choice(["1.0", "1.1", "1.2"] if done else ["1.2", "1.2", "1.3", ""])
    ticket = Ticket(env)
    ticket.populate(
        {
            "summary": text.summary,
            "description": text.description,
            "type": text.kind,
            "component": text.component,
            "priority": rng.choice(content.PRIORITIES),
            "milestone": milestone,
            "version": rng.choice(content.VERSIONS),
            "reporter": reporter,
            "owner": owner,
            "status": "new",
        }
    )
    ticket.insert(when=moment)
    for number, comment in enumerate(text.comments):
        moment += timedelta(hours=rng.uniform(0.5, 20 / len(text.comments)))
        if number == 1:
            ticket["status"] = "accepted"
        if number % 3 == 2:
            ticket["priority"] = rng.choice(content.PRIORITIES)
        ticket.save_changes(rng.choice(content.AUTHORS).login, comment, when=moment)
    if done:
        ticket["status"], ticket["resolution"] = "closed", rng.choice(["fixed", "fixed", "fixed", "wontfix"])
        ticket.save_changes(owner, text.closing, when=moment + timedelta(hours=1))


def _add_pages(env: Any, rng: random.Random, recipe: Recipe) -> None:
    from trac.attachment import Attachment
    from trac.wiki.model import WikiPage

    moments = recipe.dates(recipe.pages)
    for number, (name, text) in enumerate(content.wiki_texts(rng, recipe.pages, recipe.tickets)):
        page = WikiPage(env, name)
        page.text = text
        page.save(rng.choice(content.AUTHORS).login, "written", t=moments[number])
    readings = "day,time,metres\n" + "".join(
        f"{day},{day * 50 // 60:02}:10,{rng.uniform(0, 9):.2f}\n" for day in range(28)
    )
    if recipe.pages:
        attachment = Attachment(env, "wiki", "WikiStart")
        attachment.author, attachment.description = "ines", "Readings of four weeks"
        attachment.insert("readings.csv", io.BytesIO(readings.encode()), len(readings), moments[-1])


def _add_repository(env: Any, path: Path) -> None:
    from trac.versioncontrol.api import DbRepositoryProvider

    provider = DbRepositoryProvider(env)
    provider.add_repository("code", str(path), "git")
    provider.add_alias("", "code")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    result = argparse.ArgumentParser(
        prog="python -m sample.environment", description="Make a sample Trac environment."
    )
    result.add_argument("path", type=Path, metavar="PATH")
    for name in ("tickets", "pages", "commits", "seed"):
        result.add_argument(f"--{name}", type=int, default=getattr(Recipe, name), help="default: %(default)s")
    result.add_argument("--open", action="store_true", help="visitors without an account may write")
    result.add_argument("--today", type=date.fromisoformat, help="the day after the last entry (default: today)")
    result.add_argument("--database", default=SQLITE, metavar="URL", help="as in trac.ini (default: %(default)s)")
    result.add_argument("--if-missing", action="store_true", help="leave an environment that is there as it is")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Make the environment that the command line asks for."""
    options = parser().parse_args(arguments)
    path = options.path.resolve()
    if options.if_missing and (path / "VERSION").is_file():
        return 0
    if path.exists() and any(path.iterdir()):
        print(f"{path}: there is something already; give a path that is not in use", file=sys.stderr)
        return 1
    if not repository.available():
        print("git is not installed: the environment gets no repository", file=sys.stderr)
    names = ("tickets", "pages", "commits", "seed", "open", "today", "database")
    create(path, Recipe(**{name: getattr(options, name) for name in names}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
