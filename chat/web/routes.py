"""Which address is answered by what."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tornado.web import Application, url

from chat.web import operations, pages, polling
from chat.web.handler import House
from chat.web.ws import RoomSocket


def find_folder(name: str) -> Path:
    """Return where ``static`` or ``templates`` lies: inside the package, or in a checkout."""
    installed = Path(str(files("chat") / name))
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / name


def find_hls() -> Path:
    """Return the folder of hls.js, which npm may have put beside the checkout; it may be missing.

    The server's own copy of a library is none: it is a dependency, installed or not.
    """
    return Path(__file__).resolve().parents[2] / "node_modules" / "hls.js" / "dist"


def build_application(house: House) -> Application:
    """Put the handlers at their addresses."""
    given = {"house": house}
    name = r"([^/]+)"
    return Application(
        [
            url(rf"/ws/{name}", RoomSocket, given),
            url(rf"/api/rooms/{name}/entries", polling.Entries, given),
            url(rf"/api/rooms/{name}/comments", polling.Comments, given),
            url(rf"/api/rooms/{name}/settings", polling.RoomSettingsDoor, given),
            url(rf"/api/rooms/{name}", polling.RoomInfo, given),
            url(r"/api/rooms", polling.Rooms, given),
            url(r"/", pages.Lobby, given),
            url(rf"/r/{name}", pages.RoomPage, given),
            url(rf"/r/{name}/overlay", pages.Overlay, given),
            url(rf"/r/{name}/overlay/compose", pages.OverlayComposer, given),
            url(r"/vendor/(hls\.js)", pages.HlsModule, {"path": str(find_hls())}),
            url(r"/healthz", operations.Health, given),
            url(r"/readyz", operations.Ready, given),
            url(r"/metrics", operations.MetricsPage, given),
        ],
        default_handler_class=pages.NotFound,
        default_handler_args=given,
        template_path=str(find_folder("templates")),
        static_path=str(find_folder("static")),
        static_handler_class=pages.StaticFiles,
        log_function=lambda _handler: None,
    )
