"""The URL routes.

Each is served with the base path and without it: some proxies pass it on and some remove it, and
health checks do not go through the proxy.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from tornado.web import Application, url

from chat.web import api, health, pages
from chat.web.handler import Services
from chat.web.moderation import filters, held, log, removals, reports, sanctions, users
from chat.web.pages import HLS_FILE
from chat.web.ws import RoomSocket


def find_folder(name: str) -> Path:
    """Return where ``static`` or ``templates`` lies: inside the package, or in a checkout."""
    installed = Path(str(files("chat") / name))
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / name


def find_hls() -> Path:
    """Return the folder of hls.js; the module may be missing.

    hls.js is a dependency and not part of this repository. ``tools/fetch_hls.py`` puts it into the
    package, and npm into a checkout.
    """
    fetched = Path(str(files("chat") / "vendor"))
    installed = Path(__file__).resolve().parents[2] / "node_modules" / "hls.js" / "dist"
    return fetched if (fetched / HLS_FILE).is_file() else installed


def build_application(services: Services) -> Application:
    """Return Tornado's application with all routes."""
    given = {"services": services}
    base_path = services.settings.base_path
    base = f"(?:{re.escape(base_path)})?"
    name = r"([^/]+)"
    static = str(find_folder("static"))
    return Application(
        [
            url(rf"{base}/ws/{name}", RoomSocket, given),
            url(rf"{base}/api/rooms/{name}/entries", api.Entries, given),
            url(rf"{base}/api/rooms/{name}/comments", api.Comments, given),
            url(rf"{base}/api/rooms/{name}/comments/{name}", removals.CommentHandler, given),
            url(rf"{base}/api/rooms/{name}/clear", removals.ClearHandler, given),
            url(rf"{base}/api/rooms/{name}/filters", filters.FiltersHandler, given),
            url(rf"{base}/api/rooms/{name}/filters/try", filters.TryHandler, given),
            url(rf"{base}/api/rooms/{name}/held", held.HeldHandler, given),
            url(rf"{base}/api/rooms/{name}/held/{name}", held.DecisionHandler, given),
            url(rf"{base}/api/rooms/{name}/log", log.LogHandler, given),
            url(rf"{base}/api/rooms/{name}/reports", reports.ReportsHandler, given),
            url(rf"{base}/api/rooms/{name}/reports/{name}", reports.ReportHandler, given),
            url(rf"{base}/api/rooms/{name}/sanctions", sanctions.SanctionsHandler, given),
            url(rf"{base}/api/rooms/{name}/sanctions/{name}", sanctions.SanctionHandler, given),
            url(rf"{base}/api/rooms/{name}/users/{name}", users.UserHandler, given),
            url(rf"{base}/api/rooms/{name}/settings", api.RoomSettingsHandler, given),
            url(rf"{base}/api/rooms/{name}/shield", api.ShieldHandler, given),
            url(rf"{base}/api/rooms/{name}", api.RoomHandler, given),
            url(rf"{base}/api/rooms", api.Rooms, given),
            url(rf"{base}/api/session", api.Session, given),
            url(rf"{base}/r/{name}", pages.RoomPage, given),
            url(rf"{base}/r/{name}/console", pages.Console, given),
            url(rf"{base}/r/{name}/overlay", pages.Overlay, given),
            url(rf"{base}/r/{name}/overlay/compose", pages.OverlayComposer, given),
            url(rf"{base}/static/(.*)", pages.StaticFiles, {"path": static, **given}),
            url(rf"{base}/vendor/(hls\.js)", pages.HlsModule, {"path": str(find_hls()), **given}),
            url(rf"{base}/healthz", health.Health, given),
            url(rf"{base}/readyz", health.Ready, given),
            url(rf"{base}/metrics", health.MetricsPage, given),
            url(rf"(?:{base}/|{re.escape(base_path)})", pages.Lobby, given),
        ],
        default_handler_class=pages.NotFound,
        default_handler_args=given,
        template_path=str(find_folder("templates")),
        static_path=static,
        static_url_prefix=f"{base_path}/static/",
        static_handler_class=pages.StaticFiles,
        static_handler_args=dict(given),
        log_function=lambda _handler: None,
    )
