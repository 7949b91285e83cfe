"""The `orderlab` command: `./lab up` and its kin. What a person sees of the stack."""

from __future__ import annotations

import gettext
import inspect
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orderlab.errors import OrderlabError
from orderlab.language import N_, _, default, of_terminal
from orderlab.language.language import TRANSLATIONS
from orderlab.shapes import EventRow
from orderlab.stack.home import Home, StackError, default_home

# The stack, docker and Lab are imported by the commands that use them: `./lab status` must not wait for all of it.

console = Console(highlight=False, soft_wrap=True)


class _Group(click.Group):
    """Speaks the terminal's language, says what went wrong in one line, and takes SIGTERM and a closed terminal for
    Ctrl-C.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        speak(of_terminal(os.environ))
        return super().main(*args, **kwargs)

    def invoke(self, context: click.Context) -> Any:
        for which in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(which, _interrupt)
        try:
            return super().invoke(context)
        except OrderlabError as error:
            click.echo(f"lab: {error.detail}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo(_("lab: interrupted."), err=True)
            sys.exit(130)


def speak(language: str) -> None:
    """Have the command, its help and click's own words in this language."""
    default(language)
    # click asks gettext for its words, which asks the environment for the language.
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain("messages", str(TRANSLATIONS))
    _translate_help(main)


def _translate_help(command: click.Command) -> None:
    command.help = _(inspect.cleandoc(command.callback.__doc__ or "")) if command.callback else None
    for option in command.params:
        if isinstance(option, click.Option) and option.help:
            option.help = _(_HELP.setdefault(option, option.help))
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _translate_help(each)


_HELP: dict[click.Option, str] = {}  # the options' help in English

CLICK = (
    N_("Usage:"),
    N_("Options"),
    N_("Commands"),
    N_("Positional arguments"),
    N_("Aborted!"),
    N_("Error: {message}"),
    N_("Try '{command} {option}' for help."),
    N_("Show this message and exit."),
    N_("default: {default}"),
    N_("Missing command."),
    N_("Missing argument"),
    N_("Missing option"),
    N_("Missing parameter"),
    N_("No such command {name!r}."),
    N_("No such option {name!r}."),
    N_("Invalid value for {param_hint}: {message}"),
    N_("{value!r} is not a valid {number_type}."),
    N_("Option {name!r} does not take a value."),
)
"""What click says of its own, in its words: the catalogue has them."""


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """orderlab: one sequence diagram, made live."""


@main.command()
@click.option("--no-jupyter", is_flag=True, help="Leave JupyterLab out.")
@click.option("--docker", is_flag=True, help="In containers, by Docker Compose.")
def up(no_jupyter: bool, docker: bool) -> None:
    """Bring the lab up, in the background, and send one order through."""
    from orderlab import stack

    if docker:
        from orderlab.stack import docker as containers

        told = containers.up(Home(default_home()))
        containers.demo()
        _print_addresses(told, _("ORDERLAB_RABBITMQ_PASSWORD in {file}", file=containers.ENVIRONMENT))
        return
    with _progress() as say:
        told = stack.up(default_home(), jupyter=not no_jupyter, say=say)
        text = _send_one_order(default_home())[2] if told.started else ""
    if text:
        console.print(_("One order, sent through:"), text, sep="\n\n", end="\n\n")
    _print_addresses(told)


@main.command()
@click.option("--docker", is_flag=True, help="The one in containers.")
@click.option("--keep-jupyter", is_flag=True, help="Leave JupyterLab and its kernels as they are.")
def down(docker: bool, keep_jupyter: bool) -> None:
    """Stop everything, JupyterLab and its kernels too; the data stays."""
    from orderlab import stack

    if docker:
        from orderlab.stack import docker as containers

        containers.down()
        return
    home = default_home()
    own = stack.status(home).own
    before = stack.status(home).services.get("jupyter")
    if not stack.down(home, keep_jupyter=keep_jupyter):
        console.print(_("The lab was not up."))
    elif not before or not before.pids:
        console.print(_("The lab is down."))
    elif keep_jupyter:
        console.print(_("The lab is down but for JupyterLab, which goes on with its kernels. ./lab down ends it too."))
    else:
        console.print(_("The lab is down, and so are JupyterLab and its kernels (--keep-jupyter spares them)."))
    for program, file in own.items():
        console.print(
            Text(_("{file} was the {program}. ./lab up begins with the lab's own.", file=file, program=program))
        )


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs. Holds passwords.")
def status(as_json: bool) -> None:
    """What runs, and where. Exit status 1 if the lab is not ready."""
    from orderlab import stack

    told = stack.status(default_home())
    if as_json:
        click.echo(json.dumps(told.as_dict(), indent=2))
    elif told.services:
        for name, service in told.services.items():
            pids = f"pid {' '.join(map(str, service.pids))}" if service.pids else ""
            why = told.reasons.get(name, "") if service.pids else ""
            click.echo(f"{name:11} {service.state:9} {pids:15} {why}".rstrip())
        click.echo()
        _print_addresses(told)
    else:
        console.print(_("The lab is not up. Start it: ./lab up"))
    sys.exit(0 if told.ready else 1)


@main.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("-n", "lines", default=100, show_default=True, help="The last so many lines.")
def logs(name: str | None, follow: bool, lines: int) -> None:
    """What the programs say (or one of them: ./lab logs worker)."""
    folder = Home(default_home()).logs
    files = sorted(file for file in folder.glob(f"{name}*.log" if name else "*.log") if file.stat().st_size)
    if not files:
        known = sorted({re.sub(r"-\d+$", "", file.stem) for file in folder.glob("*.log")})
        raise StackError(
            _(
                "There is no log of {name} yet. There are: {known}.",
                name=name or _("this lab"),
                known=", ".join(known) or _("none"),
            )
        )
    tail = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, files)]
    sys.exit(subprocess.run(tail, check=False).returncode)


@main.command()
def reset() -> None:
    """Empty the orders, the queues and the inbox, and restock."""
    from orderlab import stack

    stack.reset(default_home())
    console.print(_("No orders; the shelves are full again."))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="The order and its events, for programs.")
def demo(as_json: bool) -> None:
    """Send one order through, and draw it."""
    from orderlab import stack
    from orderlab.access import attach

    home = None if attach.is_told() else default_home()
    if home:
        stack.attached(home)
    order, events, text = _send_one_order(home)
    if as_json:
        click.echo(json.dumps({"order": order, "events": events}, indent=2, default=str))
    else:
        console.print(text)


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def test(words: tuple[str, ...]) -> None:
    """Every check, on a private lab; or pytest alone: ./lab test tests/unit -k order."""
    from orderlab.stack import checks

    sys.exit(checks.run(list(words)))


@main.command()
@click.argument("what", metavar="SERVICE=NUMBER", nargs=-1, required=True)
def scale(what: tuple[str, ...]) -> None:
    """Run several processes of services: ./lab scale worker=3 relay=2."""
    from orderlab import stack

    wanted = {}
    for word in what:
        service, _sign, number = word.partition("=")
        if not number.isdecimal():
            raise click.UsageError(_("Say how many of what: ./lab scale worker=3 relay=2"))
        wanted[service] = int(number)
    stack.scale(default_home(), wanted)
    for service in wanted:
        console.print(
            _("{service}: pids {pids}", service=service, pids=" ".join(map(str, stack.pids(default_home(), service))))
        )


@main.command()
@click.argument("what", metavar="PROGRAM=FILE", nargs=-1)
def use(what: tuple[str, ...]) -> None:
    """Run a file of yours as a program: ./lab use worker=my_worker.py; ./lab use worker= puts the lab's back.

    Without words it tells which files are in use.
    """
    from orderlab import Lab
    from orderlab.lab.own import PROGRAMS

    lab = Lab(default_home())
    for word in what:
        program, sign, file = word.partition("=")
        if not sign or program not in PROGRAMS:
            raise click.UsageError(
                _("Say which program and which file, one of {known}: worker=my_worker.py", known=", ".join(PROGRAMS))
            )
        console.print(Text(str(lab.use(**{program: file or None}))))
    if not what:
        told = [f"{program}: {file}" for program, file in lab.own.items()]
        console.print(Text("\n".join(told) or _("The lab's own programs are in use.")))


@main.command()
@click.option("--fresh", is_flag=True, help="Also those that you have changed; yours are put aside.")
def notebooks(fresh: bool) -> None:
    """Lay the chapters out in the folder where you work (./lab up does so, too)."""
    from orderlab.stack import work
    from orderlab.stack.home import ROOT

    folder = Home(default_home()).work
    changed = work.lay(ROOT, folder, fresh=fresh)
    console.print(_("The chapters are in {folder}.", folder=folder))
    if changed:
        console.print(_("Left as you have changed them: {known}.", known=", ".join(changed)))


@main.command()
@click.option(
    "--kind", default="crash", show_default=True, help="crash, fail, drop, duplicate, rabbitmq or postgresql."
)
@click.option("--step", "steps", multiple=True, help="Only this step (may be given again).")
@click.option("--design", "designs", multiple=True, help="Only this design (may be given again).")
@click.option(
    "--worker", metavar="FILE", help="A file of yours does the worker's part, on the default design: its score."
)
@click.option("--fresh", is_flag=True, help="From the beginning, and not on from where a run was interrupted.")
def matrix(kind: str, steps: tuple[str, ...], designs: tuple[str, ...], worker: str | None, fresh: bool) -> None:
    """Break every step on every design, with real crashes. Needs the lab to itself. Exit status 1 if one surprises."""
    if worker:
        from orderlab import Lab
        from orderlab.drawing.score import Score

        score = Lab(default_home()).matrix(kind, list(steps), worker=worker, fresh=fresh)
        assert isinstance(score, Score)
        console.print(Text(str(score)))
        sys.exit(0 if score.won == score.of else 1)
    from orderlab.matrix import command
    from orderlab.matrix.results import Results

    wanted = command.chosen(kind, steps, designs)
    results = Results.read(kind, Home(default_home()).path / "matrix" / f"{kind}.json")
    if fresh:
        results.forget(wanted)
    command.run(default_home(), wanted, results, console)
    console.print(command.grid(results))
    sys.exit(1 if results.surprises else 0)


@main.group(invoke_without_command=True)
@click.pass_context
def dead(context: click.Context) -> None:
    """Messages that could not be processed (orders.dead)."""
    if context.invoked_subcommand is None:
        context.invoke(dead_list)


@dead.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def dead_list(as_json: bool = False) -> None:
    """List them, oldest first."""
    letters = _dead_letters()
    if as_json:
        click.echo(json.dumps([letter.as_dict() for letter in letters], indent=2))
        return
    table = Table("id", _("order"), _("from"), _("reason"), box=None)
    for letter in letters:
        table.add_row(*map(Text, (letter.event_id, letter.order_id, letter.queue, _(letter.reason))))
    console.print(table if letters else _("No dead messages."))


@dead.command("show")
@click.argument("event_id")
def dead_show(event_id: str) -> None:
    """Show one: reason, headers, body."""
    for letter in _dead_letters():
        if letter.event_id == event_id:
            click.echo(json.dumps(letter.as_dict(), indent=2))
            return
    raise StackError(_("There is no dead message {event_id}. See ./lab dead list.", event_id=event_id))


@dead.command("resend")
@click.argument("event_id", required=False)
@click.option("--all", "everything", is_flag=True, help="Each of them.")
def dead_resend(event_id: str | None, everything: bool) -> None:
    """Send one (or all) back to the queue it came from."""
    from orderlab import dead_letters, stack

    if bool(event_id) == everything:
        raise click.UsageError(_("Name one message, or say --all."))
    sent = dead_letters.send_back(stack.attached(default_home()).amqp_url, event_id)
    if not sent and event_id:
        raise StackError(
            _("There is no dead message {event_id} that knows its queue. See ./lab dead list.", event_id=event_id)
        )
    console.print(_("Sent back: {sent}.", sent=sent))


def _dead_letters() -> list[Any]:
    from orderlab import dead_letters, stack

    return dead_letters.read(stack.attached(default_home()).amqp_url)


def _send_one_order(home: Path | None) -> tuple[dict[str, Any], list[EventRow], str]:
    """The order, its events, and the drawing as text."""
    from orderlab import Lab

    lab = Lab(home)
    order_id = lab.create_order()["order_id"]
    order = dict(lab.wait(order_id))
    return order, lab.journal(order_id), lab.sequence(order_id).text


def _print_addresses(told: Any, password: str = "") -> None:
    """`password` says where RabbitMQ's stands; it is not printed itself, for terminals are shown to rooms."""
    from orderlab.stack import rabbitmq

    # Not a table: an address must never be cut to the width of the terminal.
    # One that does not answer is not printed either.
    for name, url, program in (
        ("Portal", told.portal_url, "portal"),
        ("API", told.api_url, "orders-api"),
        ("JupyterLab", told.jupyter_url, "jupyter"),
        ("RabbitMQ", told.management_url, "rabbitmq"),
    ):
        if url and (program not in told.services or told.services[program].state == "RUNNING"):
            click.echo(f"{name:11} {url}")
            if program == "rabbitmq":
                password = password or _('"rabbitmq" in {file}', file=Home(default_home()).secrets_file)
                says = _("user {user}, password: {password}", user=rabbitmq.USER, password=password)
                click.echo(f"{'':11} {says}")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """On a terminal a line that renews itself; elsewhere one line each time."""
    if not console.is_terminal:
        yield lambda line: console.print(f"  {line}")
        return
    with console.status(_("bringing the lab up …")) as shown:
        yield lambda line: shown.update(line) if line.endswith("…") else console.print(line)


if __name__ == "__main__":
    main(prog_name="./lab")
