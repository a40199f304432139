"""The view in the terminal: a table of jobs and its keys, by textual. What is known of jobs is in `board.py`."""

import sys
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static

from mlxq.cli.server import Problem, Server
from mlxq.cli.top.board import TITLES, Board, Row

#: Seconds between two looks at what has changed.
_REDRAW = 0.25
#: Rows that are drawn.
_MOST_ROWS = 300
_CLASSES = ("interactive", "normal", "background")


class Top(App[None]):
    """`run` returns when the user leaves."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #summary, #said { height: 1; padding: 0 1; }
    #summary { background: $panel; }
    #said { color: $warning; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "cancel", "Cancel"),
        Binding("space", "hold", "Hold/release"),
        Binding("f", "move", "To the front"),
        Binding("1", "rank(0)", "Interactive"),
        Binding("2", "rank(1)", "Normal"),
        Binding("3", "rank(2)", "Background"),
        Binding("p", "pause", "Pause/resume all"),
        Binding("y", "confirm", show=False),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._board = Board()
        self._rows: list[Row] = []
        self._changed = True
        #: the job that is cancelled by a y
        self._asked: str | None = None
        self._lost: str | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="summary", markup=False)
        yield DataTable(id="jobs", cursor_type="row", zebra_stripes=True)
        yield Static(id="said", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        table = self._table
        for title in TITLES:
            table.add_column(title, key=title)
        table.focus()
        self.set_interval(_REDRAW, self._redraw)
        self.run_worker(self._follow, thread=True)

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#jobs", DataTable)

    @property
    def _chosen(self) -> Row | None:
        place = self._table.cursor_row
        return self._rows[place] if 0 <= place < len(self._rows) else None

    # -- what is told -----------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """On a thread of its own, to the end of the program."""
        for event in self._server.news("/v1/events"):
            if not self.is_running:
                return
            self.call_from_thread(self._hear, event)

    def _hear(self, event: tuple[str, Any] | None) -> None:
        """None: the server is away."""
        self._changed = True
        self._lost = f"No server answers at {self._server.url}." if event is None else None
        if event is not None:
            self._board.hear(*event)

    def _redraw(self) -> None:
        if not self._changed:
            return
        self._changed = False
        chosen, table = self._chosen, self._table
        self._rows = self._board.rows()[:_MOST_ROWS]
        with self.batch_update():
            table.clear()
            for row in self._rows:
                style = "dim" if row.ended else "bold" if not row.waits else ""
                table.add_row(*(Text(_plain(cell), style) for cell in row.cells), key=row.id)
            if chosen is not None:
                places = [place for place, row in enumerate(self._rows) if row.id == chosen.id]
                table.move_cursor(row=places[0] if places else 0, animate=False)
        self.query_one("#summary", Static).update(self._lost or self._board.summary)

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(_plain(text))

    # -- keys -------------------------------------------------------------------------------------------------------

    def action_confirm(self) -> None:
        """Yes to the question, if there is one."""
        job_id, self._asked = self._asked, None
        if job_id is not None:
            self._post(f"/v1/jobs/{job_id}/cancel", "cancelled")

    def action_cancel(self) -> None:
        if (row := self._chosen) is not None and not row.ended:
            self._asked = row.id
            self._say(f"Cancel {row.id}? y: yes")

    def action_hold(self) -> None:
        if (row := self._chosen) is not None and row.waits:
            verb = "release" if row.held else "hold"
            self._post(f"/v1/jobs/{row.id}/{verb}", "released" if row.held else "held")

    def action_move(self) -> None:
        if (row := self._chosen) is not None and row.waits:
            self._post(f"/v1/jobs/{row.id}/move", "moved to the front", to="front")

    def action_rank(self, place: int) -> None:
        if (row := self._chosen) is not None and row.waits:
            wanted = _CLASSES[place]
            self._post(f"/v1/jobs/{row.id}/class", wanted, service_class=wanted)

    def action_pause(self) -> None:
        verb = "resume" if self._board.paused else "pause"
        self._post(
            f"/v1/queue/{verb}", "everything is taken again" if verb == "resume" else "everything is paused"
        )

    def _post(self, path: str, done: str, **params: str) -> None:
        self._asked = None
        self.run_worker(partial(self._ask, path, done, params), thread=True)

    def _ask(self, path: str, done: str, params: dict[str, str]) -> None:
        """On a thread."""
        try:
            answer = self._server.ask("POST", path, **params)
            told = f"{answer['id']}: {done}" if "id" in answer else done
        except Problem as problem:
            told = str(problem)
        self.call_from_thread(self._say, told)


def _plain(text: str) -> str:
    """Without what could steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def top(server: Server) -> None:
    """Show what runs and waits until the user leaves. Raises Problem where no server answers, or no terminal is."""
    server.ask("GET", "/v1/queue/stats")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Problem("top needs a terminal; `mlxq queue` lists what waits")
    Top(server).run()
