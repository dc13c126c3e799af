"""The URL routes."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tornado.web import Application, url

from chat.web import api, health, pages
from chat.web.handler import Services
from chat.web.ws import RoomSocket


def find_folder(name: str) -> Path:
    """Return where ``static`` or ``templates`` lies: inside the package, or in a checkout."""
    installed = Path(str(files("chat") / name))
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / name


def find_hls() -> Path:
    """Return the folder of hls.js, which npm may have put beside the checkout; it may be missing.

    hls.js is a dependency and not part of this repository; it may not be installed.
    """
    return Path(__file__).resolve().parents[2] / "node_modules" / "hls.js" / "dist"


def build_application(services: Services) -> Application:
    """Return Tornado's application with all routes."""
    given = {"services": services}
    name = r"([^/]+)"
    return Application(
        [
            url(rf"/ws/{name}", RoomSocket, given),
            url(rf"/api/rooms/{name}/entries", api.Entries, given),
            url(rf"/api/rooms/{name}/comments", api.Comments, given),
            url(rf"/api/rooms/{name}/settings", api.RoomSettingsHandler, given),
            url(rf"/api/rooms/{name}", api.RoomHandler, given),
            url(r"/api/rooms", api.Rooms, given),
            url(r"/", pages.Lobby, given),
            url(rf"/r/{name}", pages.RoomPage, given),
            url(rf"/r/{name}/overlay", pages.Overlay, given),
            url(rf"/r/{name}/overlay/compose", pages.OverlayComposer, given),
            url(r"/vendor/(hls\.js)", pages.HlsModule, {"path": str(find_hls()), **given}),
            url(r"/healthz", health.Health, given),
            url(r"/readyz", health.Ready, given),
            url(r"/metrics", health.MetricsPage, given),
        ],
        default_handler_class=pages.NotFound,
        default_handler_args=given,
        template_path=str(find_folder("templates")),
        static_path=str(find_folder("static")),
        static_handler_class=pages.StaticFiles,
        static_handler_args=dict(given),
        log_function=lambda _handler: None,
    )
