"""Another site with videos that the browser recorded itself, whole, live, or failing."""

from __future__ import annotations

import base64
import contextlib
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, Page

HLS_TYPE = "application/vnd.apple.mpegurl"
NO_NATIVE_HLS = f"""
    const asked = HTMLMediaElement.prototype.canPlayType;
    HTMLMediaElement.prototype.canPlayType = function (type) {{
        return type === '{HLS_TYPE}' ? '' : asked.call(this, type);
    }};
"""
WINDOW_SECONDS = 5

RECORD = """async ([mimeType, milliseconds]) => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 64, height: 36});
    const context = canvas.getContext('2d');
    const options = {mimeType, videoKeyFrameIntervalDuration: 1000};
    const recorder = new MediaRecorder(canvas.captureStream(10), options);
    const parts = [];
    recorder.ondataavailable = ({data}) => parts.push(data);
    recorder.start();
    let hue = 0;
    const drawing = setInterval(() => {
        context.fillStyle = `hsl(${hue += 20} 80% 50%)`;
        context.fillRect(0, 0, 64, 36);
    }, 50);
    await new Promise(resolve => setTimeout(resolve, milliseconds));
    clearInterval(drawing);
    await new Promise(resolve => { recorder.onstop = resolve; recorder.stop(); });
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));
}"""


class LiveStream:
    """An endless HLS stream of the pieces of a film, one a second."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self.absent = False
        self.ended = False
        self.begin_anew()

    def begin_anew(self, since: float = 2 * WINDOW_SECONDS) -> None:
        """Begin another stream, whose numbers start again, so many seconds ago."""
        self._begun = time.monotonic() - since

    def playlist(self) -> bytes:
        if self.absent:
            return b""
        newest = int(time.monotonic() - self._begun)
        first = max(0, newest - WINDOW_SECONDS + 1)
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        # The times of the pieces start again with the film.
        lines += [f"#EXT-X-DISCONTINUITY-SEQUENCE:{max(0, first - 1) // self._pieces}"]
        lines += ['#EXT-X-MAP:URI="beginning.mp4"']
        for number in range(first, newest + 1):
            if number % self._pieces == 0 and number > 0:
                lines.append("#EXT-X-DISCONTINUITY")
            lines += ["#EXTINF:1.0,", f"{number % self._pieces}.m4s?{number}"]
        lines += ["#EXT-X-ENDLIST"] if self.ended else []
        return "\n".join(lines).encode()


class MediaSite:
    """A site that lets any page read its files.

    ``live`` is at ``/live.m3u8``. What is in ``cut`` is sent half, and the connection closed.
    While ``answers`` is not set, nothing is answered.
    """

    def __init__(self) -> None:
        files = self.files = dict[str, tuple[str, bytes]]()
        cut = self.cut = set[str]()
        answers = self.answers = threading.Event()
        answers.set()
        site = self

        class FileHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.wait(60)
                path = self.path.partition("?")[0]
                kind, data = files.get(path, ("text/plain", b""))
                if path == "/live.m3u8":
                    kind, data = HLS_TYPE, site.live.playlist()
                self.send_response(200 if data else 404)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the browser may close the connection early
                    self.wfile.write(data[: len(data) // 2] if path in cut else data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), FileHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    def record(self, browser: Browser) -> None:
        """Record two clips, and give one of them again as HLS, whole and live."""
        page = browser.new_page()

        def record(kind: str, milliseconds: int) -> bytes:
            return base64.b64decode(page.evaluate(RECORD, [kind, milliseconds]))

        self.files["/clip.webm"] = ("video/webm", record("video/webm", 2000))
        film = record("video/mp4;codecs=avc1.42E01E", 4000)
        page.close()
        self.files["/film.mp4"] = ("video/mp4", film)
        beginning, *pieces = split_film(film)
        self.files["/beginning.mp4"] = ("video/mp4", beginning)
        playlist = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2"]
        playlist.append('#EXT-X-MAP:URI="beginning.mp4"')
        for number, piece in enumerate(pieces):
            self.files[f"/{number}.m4s"] = ("video/mp4", piece)
            playlist += ["#EXTINF:1.0,", f"{number}.m4s"]
        playlist.append("#EXT-X-ENDLIST")
        self.files["/film.m3u8"] = (HLS_TYPE, "\n".join(playlist).encode())
        self.live = LiveStream(len(pieces) - 1)  # the last one is short


def split_film(film: bytes) -> list[bytes]:
    """Part a fragmented MP4 into its beginning and its fragments (ISO 14496-12, section 4.2)."""
    batches, at = [b""], 0
    while at < len(film):
        size, kind = struct.unpack_from(">I4s", film, at)
        if kind == b"moof":
            batches.append(b"")
        if kind in (b"ftyp", b"moov", b"moof", b"mdat"):
            batches[-1] += film[at : at + size]
        at += size
    assert len(batches) > 2, "one fragment is no test of a playlist"
    return batches


def wait_in_page(page: Page, condition: str, seconds: float = 10) -> bool:
    """Wait until a condition holds in the page; its policy forbids Playwright's own way."""
    return page.evaluate(
        f"""new Promise(resolve => {{
            const end = performance.now() + {seconds * 1000};
            const look = () => {{
                if ({condition}) resolve(true);
                else if (performance.now() > end) resolve(false);
                else setTimeout(look, 30);
            }};
            look();
        }})"""
    )
