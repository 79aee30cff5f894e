"""What .ci/page does: a browser, driven through the DevTools protocol, and the journeys through the page."""

import argparse
import base64
import contextlib
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 20
FLAGS = [
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-search-engine-choice-screen", "--hide-scrollbars", "--window-size=1360,900",
]
KEYS = {
    "Tab": (9, "\t"), "Enter": (13, "\r"), "Escape": (27, ""), " ": (32, " "),
    "ArrowLeft": (37, ""), "ArrowRight": (39, ""), "Home": (36, ""), "Delete": (46, ""),
}


def say(what):
    print(f"== {what}", flush=True)


def eventually(what, check, patience=PATIENCE):
    until = time.monotonic() + patience
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"waited in vain: {what}; last seen: {found!r}")
        time.sleep(0.05)


class Testero:
    """The program, on a port that stays the same over restarts."""

    all = []

    def __init__(self, binary, work, **variables):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.binary, self.origin = binary, f"http://127.0.0.1:{self.port}"
        self.work = pathlib.Path(tempfile.mkdtemp(dir=work))
        (self.work / "data").mkdir()
        limits = {"HIGHMEMLIM": str(1 << 30), "HIGHFILELIM": str(4 << 30), "HIGHPIDLIM": "200", "HIGHFDLIM": "1000"}
        self.variables = {**os.environ, **limits, "HIGHINODELIM": "10000", **variables}
        Testero.all.append(self)
        self.start()

    def start(self):
        with open(self.work / "log", "ab") as log:
            self.child = subprocess.Popen(
                [self.binary, "--listen", f"127.0.0.1:{self.port}", "--data-dir", self.work / "data"],
                stderr=log, env=self.variables,
            )

        def listens():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True

        eventually("testero listens", listens)

    def end(self, how=signal.SIGTERM):
        self.child.send_signal(how)
        self.child.wait(PATIENCE)

    def ask(self, path, method="GET", body=None):
        request = urllib.request.Request(self.origin + path, data=body, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def group(self, name):
        return self.ask("/api/status?format=json")["groups"][name]


class Browser:
    """Chromium with one tab. Its events are kept, to be judged at the end."""

    def __init__(self, profile):
        pipes = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (*os.pipe(), *os.pipe())]
        ours, theirs = pipes[:2], pipes[2:]
        flags = FLAGS + [f"--user-data-dir={profile}"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
        # The pipes are the third and fourth descriptor of the browser, whatever they are here.
        line = f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]} {ours[0]}<&- {theirs[1]}>&-'
        self.child = subprocess.Popen(
            ["bash", "-c", line, "bash", os.environ.get("CHROMIUM", "chromium"), *flags, "about:blank"],
            pass_fds=(ours[0], theirs[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self.to, self.back, self.rest = ours[1], theirs[0], b""
        self.last, self.session, self.answers = 0, None, {}
        self.requests, self.errors, self.allowed, self.axe = [], [], [], None
        # Where each state is pictured, and how many were.
        self.folder, self.seen = None, 0
        tab = next(one for one in self("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self.session = self("Target.attachToTarget", targetId=tab["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self(f"{domain}.enable")

    def __call__(self, method, **parameters):
        self.last += 1
        number, message = self.last, {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while number not in self.answers:
            assert time.monotonic() < until, f"the browser does not answer {method}"
            self.listen(1)
        answer = self.answers.pop(number)
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]

    def listen(self, seconds):
        if not select.select([self.back], [], [], seconds)[0]:
            return
        read = os.read(self.back, 1 << 20)
        assert read, "the browser has ended"
        *whole, self.rest = (self.rest + read).split(b"\0")
        for message in map(json.loads, whole):
            if "id" in message:
                self.answers[message["id"]] = message
            else:
                self.happened(message["method"], message["params"])

    def happened(self, method, what):
        if method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(what["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.errors.append(json.dumps(what["args"]))
        elif method == "Log.entryAdded":
            entry = what["entry"]
            line = f"{entry['source']}: {entry['text']} {entry.get('url', '')}"
            # The browser itself tells of each answer that is an error: where one is expected, it may.
            if not any(entry["source"] == "network" and re.search(one, line) for one in self.allowed):
                self.errors.append(line)

    @contextlib.contextmanager
    def allowing(self, pattern):
        self.allowed.append(pattern)
        yield
        self.js("0")
        self.listen(0.3)
        self.allowed.remove(pattern)

    def js(self, expression):
        found = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, f"{expression}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def open(self, url):
        self("Page.navigate", url=url)
        there = "document.readyState === 'complete' && !!document.querySelector('#mem')"
        eventually("the page is there", lambda: self.js(there))

    def text(self, selector):
        return (self.js(f"document.querySelector({json.dumps(selector)})?.textContent") or "").replace("\u00a0", " ")

    def shown(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)}).checkVisibility()")

    def says(self, selector, pattern, patience=PATIENCE):
        seen = []

        def check():
            seen[:] = [self.text(selector)]
            return re.search(pattern, seen[0])

        try:
            eventually("", check, patience)
        except AssertionError:
            raise AssertionError(f"{selector} does not say {pattern!r}, but {seen[0]!r}") from None

    def click(self, selector):
        # Where it is once it is drawn there.
        place = self.js(f"""(async () => {{
            const node = document.querySelector({json.dumps(selector)});
            const drawn = () => new Promise(requestAnimationFrame);
            node.scrollIntoView({{block: "center", behavior: "instant"}});
            await drawn();
            await drawn();
            const box = node.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
            const there = document.elementFromPoint(x, y);
            return [x, y, node.contains(there) ? "" : there?.outerHTML ?? "nothing"];
        }})()""")
        assert not place[2], f"{selector} is covered by {place}"
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            buttons = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], **buttons)

    def type(self, text):
        self("Input.insertText", text=text)

    def fill(self, selector, text):
        self.click(selector)
        self.js(f"document.querySelector({json.dumps(selector)}).select()")
        if text:
            self.type(text)
        else:
            self.key("Delete")
        eventually("it is typed", lambda: self.js(f"document.querySelector({json.dumps(selector)}).value") == text)

    def choose(self, selector, value):
        self.js(f"""(() => {{
            const node = document.querySelector({json.dumps(selector)});
            node.value = {json.dumps(value)};
            for (const kind of ["input", "change"]) node.dispatchEvent(new Event(kind, {{bubbles: true}}));
        }})()""")

    def key(self, key):
        code, text = KEYS[key]
        where = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        self("Input.dispatchKeyEvent", type="keyDown", text=text, **where)
        self("Input.dispatchKeyEvent", type="keyUp", **where)

    def tab_to(self, selector):
        for _ in range(150):
            self.key("Tab")
            if self.js(f"document.activeElement.matches({json.dumps(selector)})"):
                assert self.js("document.activeElement.matches(':focus-visible')"), f"{selector}: focus is not seen"
                return
        raise AssertionError(f"Tab does not reach {selector}")

    def look(self, scheme="light", width=1360, height=900, scale=1):
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        size = {"width": width, "height": height, "deviceScaleFactor": scale}
        self("Emulation.setDeviceMetricsOverride", mobile=width < 500, **size)

    def picture(self, path, height=None):
        whole = self("Page.getLayoutMetrics")["cssContentSize"]
        whole["height"] = height or whole["height"]
        clip = {"x": 0, "y": 0, "width": whole["width"], "height": whole["height"], "scale": 1}
        shot = self("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def end(self):
        with contextlib.suppress(Exception):
            self("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()


def invalid(page):
    """The names of the fields that are marked."""
    return page.js("[...document.querySelectorAll('[aria-invalid]')].map((one) => one.name).join()")


def states(page, what):
    """Nothing that axe finds wrong for who cannot see, hear or point, in light and dark."""
    if page.axe is None:
        return
    page.js(page.axe + "; 0")
    width = page.js("innerWidth")
    for scheme in ("light", "dark"):
        page.look(scheme, width)
        found = page.js("""axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations.map((one) =>
            `${one.id}: ${one.help}: ${one.nodes.map(({ html, failureSummary }) => html.slice(0, 200) + failureSummary).join("; ")}`))""")
        assert not found, f"{what}, {scheme}:\n" + "\n".join(found)
    if page.folder:
        page.seen += 1
        for scheme, size in (("light", 1280), ("dark", 1920), ("light", 390)):
            page.look(scheme, size, 900 if size > 500 else 844)
            time.sleep(0.3)
            page.picture(f"{page.folder}/{page.seen:02}-{what.replace(' ', '-').replace('/', '')}-{size}.png")
    page.look()


def places(page):
    """Where each card begins, from the top of the page."""
    return page.js("[...document.querySelectorAll('.card')].map((one) => Math.round(one.getBoundingClientRect().top + scrollY))")


def unmoved(page, what, deed):
    """Nothing that is said moves another card, on a wall and on a phone."""
    for width in (1280, 390):
        page.look("light", width, 900 if width > 500 else 844)
        time.sleep(0.2)
        before = places(page)
        deed()
        assert places(page) == before, f"{what} moves cards at {width}: {before} became {places(page)}"
    page.look()


# What is cut off, or has to be scrolled: legends, what is held, and what comes next.
CUT = """[...document.querySelectorAll(".legend, .ones, #now, #next")].filter((list) => list.checkVisibility()).flatMap((list) => {
  const end = list.getBoundingClientRect().bottom + .5;
  const cut = [...list.children].filter((one) => one.checkVisibility() && one.getBoundingClientRect().bottom > end);
  return cut.concat(list.scrollHeight > list.clientHeight + 1 || list.scrollWidth > list.clientWidth + 1 ? list : []).map((one) => (list.id || list.parentNode.id) + ": " + one.textContent);
}).concat([...document.querySelectorAll(".chart text")].filter((one) => one.getBBox().x < 0 || one.getBBox().y < 0).map((one) => one.textContent)).join("; ")"""


def uncut(page, what):
    for width in (320, 390, 721, 768, 1024, 1080, 1081, 1280, 1920):
        page.look("light", width)
        time.sleep(0.1)
        cut = page.js(CUT)
        assert not cut, f"{what}, {width} pixels: cut off: {cut}"
    page.look()


# Texts in place of values that do not fit into their fields.
UNREADABLE = """[...document.querySelectorAll("input[placeholder]")].filter((one) => one.checkVisibility() && one.placeholder).filter((one) => {
  const style = getComputedStyle(one), pen = document.createElement("canvas").getContext("2d");
  pen.font = `${style.fontSize} ${style.fontFamily}`;
  return pen.measureText(one.placeholder).width > one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
}).map((one) => `${one.form.ariaLabel} ${one.name}: ${one.placeholder}`).join("; ")"""


def shell(line):
    subprocess.run(["bash", "-c", line], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mouse(page, testero):
    say("it loads")
    page.open(testero.origin + "/")
    page.says("#now", r"^Nothing is held\.$")
    page.says("#who", r"^version [0-9.]+ · namespace ci · pod testero-0 · up \d")
    page.says("#ready", "^ready$")

    say("64 MiB are set, and arrive")
    page.fill("#mem [name=amount]", "64 MiB")
    page.says("#mem .hint", r"^64 MiB, 6\.25% of the limit$")
    page.click("#mem summary")
    page.says("#mem .line code", re.escape(f"curl -X POST '{testero.origin}/api/mem/set?amount=64MiB&exact=true'"))
    page.click("#mem .lines .ones button:nth-child(2)")
    page.says("#mem .line code", re.escape(f"testero mem set 64MiB --url {testero.origin}"))
    page.click("#mem .lines .ones button:nth-child(3)")
    page.says("#mem .line code", "^kubectl -n ci exec testero-0 -- /testero mem set 64MiB$")
    page.says("#mem .line + .line code", "^kubectl -n ci exec testero-0 -- /testero mem release$")
    page.click("#mem .lines .ones button:nth-child(1)")
    page.click("#mem .go")
    page.says("#mem .said", r"^Accepted: 64 MiB\.$")
    page.says("#mem .held b", "^64 MiB$")
    page.says("#mem .state", "^holding$")
    page.says("#now", "^64 MiB memory$")
    assert testero.group("mem")["held"] == 64 << 20
    eventually("it is drawn", lambda: page.js("document.querySelector('#mem path.held').getAttribute('d').length > 20"))
    states(page, "memory held, commands shown")

    say("they are released, and go")
    page.click("#mem button.off")
    page.says("#mem .held b", "^0 B$")
    page.says("#mem .state", "^idle$")
    assert testero.group("mem")["held"] == 0

    say("a refused request says why, where the hand is")
    with page.allowing(r"422 .*/api/mem/set\?amount=900Gi"):
        page.fill("#mem [name=amount]", "900Gi")
        page.says("#mem .hint", "more than the 1 GiB left")
        page.click("#mem .go")
        page.says("#mem .said.bad", r"^900 GiB is over the limit of 1 GiB\.\nUse 1 GiB$")
        assert page.js("document.querySelector('#mem .said').title") == "HIGHMEMLIM"
        assert invalid(page) == "amount"
        states(page, "a refusal")

        def refused():
            page.js("for (const one of document.querySelectorAll('.said')) tell(one, ''); 0")
            before = places(page)
            page.js("document.querySelector('#mem .go').click()")
            page.says("#mem .said.bad", "over the limit")
            assert places(page) == before, "a refusal moves other cards"

        unmoved(page, "a refusal", refused)
    page.click("#mem .said button")
    page.says("#mem .said.good", r"^Accepted: 1 GiB\.$")
    page.says("#mem .held b", r"^1 GiB$")
    page.says("#mem svg text.limit", "^limit 1 GiB$")
    above = page.js("""(({ text, line }) => [line.y1.baseVal.value - text.y.baseVal[0].value, text.getBBox().y, getComputedStyle(text).paintOrder])
        ({ text: document.querySelector("#mem svg text.limit"), line: document.querySelector("#mem svg line.limit") })""")
    assert above[0] > 3.5 and above[1] >= 0 and above[2].startswith("stroke"), f"the limit is struck through, or cut: {above}"
    states(page, "the limit reached")
    page.click("#mem button.off")
    page.says("#mem .held b", "^0 B$")
    with page.allowing(r"422 .*/api/mem/set\?amount=max-2Gi"):
        page.fill("#mem [name=amount]", "max-2Gi")
        page.click("#mem .go")
        page.says("#mem .said.bad", r"^max-2 GiB is below nothing: max is 1 GiB now")

    say("in the page's own words, with what may be done about it")
    page.fill("#mem [name=amount]", "")
    cores = testero.group("cpu")["limit_millicores"] / 1000
    sent = len(page.requests)
    page.fill("#cpu [name=amount]", "900")
    page.click("#cpu .go")
    page.says("#cpu .said.bad", rf"^900 cores is over the limit of {cores:g} cores?\.\nUse {cores:g} cores?$")
    assert invalid(page) == "amount" and not [url for url in page.requests[sent:] if "/load" in url]
    page.click("#cpu .said button")
    page.says("#cpu .state", "^working$")
    page.click("#cpu button.off")
    page.says("#cpu .said", r"^Stopped\.$")
    page.fill("#cpu [name=amount]", "")
    with page.allowing("422"):
        page.click("#io .go")
        page.says("#io .said.bad", r"^There are no files yet\.\nTake 256 MiB of disk$")
    assert invalid(page) == ""
    page.click("#io .said button")
    page.says("#disk .held b", r"^256 MiB$")
    page.click("#disk button.off")
    page.says("#disk .state", "^idle$")
    with page.allowing("422"):
        page.fill("#inode [name=amount]", "99,999")
        page.click("#inode .go")
        page.says("#inode .said.bad", r"^99,999 is over the limit of 10,000\.\nUse 10,000$")
        page.fill("#inode [name=amount]", "")
    with page.allowing("400"):
        page.fill("#fd [name=amount]", "10")
        page.fill("#fd [name=ttl]", "99999999h")
        page.click("#fd .go")
        page.says("#fd .said.bad", '^For "99999999h" is no duration: it is longer than ten years')
        assert invalid(page) == "ttl"
    page.fill("#fd [name=ttl]", "4 m 59 s")
    page.click("#fd .go")
    page.says("#fd .next", r"^expires in 4 m 5\d s$")
    page.fill("#fd [name=ttl]", "")
    page.click("#fd button.off")
    page.says("#fd .state", "^idle$")
    page.fill("#fd [name=amount]", "")
    assert page.js("[time(60), time(59.6), time(3600), time(90)].join()").replace("\u00a0", " ") == "1 m,1 m,1 h,1 m 30 s"
    assert page.js("[isSpan('1'.repeat(40) + 'x'), isSpan('1h30'), isSpan('1 h 5 m'), isSpan('90'), isSpan('0')].join()") == "false,false,true,true,false"
    page.js("""(() => {
        const real = fetch, error = { status: 409, code: "busy", message: "work of this group runs" };
        window.fetch = (path, how) => how.method === "GET" ? real(path, how)
            : (window.fetch = real, Promise.resolve(new Response(JSON.stringify({ error }), { status: 409 })));
    })()""")
    page.fill("#mem [name=amount]", "8Mi")
    page.click("#mem .go")
    page.says("#mem .said.bad", r"^The change before this one is still on its way\.\nTry again$")
    page.click("#mem .said button")
    page.says("#mem .held b", "^8 MiB$")
    page.click("#mem button.off")
    page.says("#mem .state", "^idle$")
    page.js("""const { see: real } = GROUPS[1];
        GROUPS[1].see = (s) => ({ ...real(s), state: "failed", held: 29 << 19, target: 30 << 20,
            error: "writing /tmp/d-2097152/f-2: No space left on device (os error 28)" }); 0""")
    page.says("#disk .next", r"^The disk is full: 14\.5 MiB of 30 MiB are held\. $")
    assert "os error 28" in page.js("document.querySelector('#disk .next').title")
    states(page, "the disk is full")
    page.js("GROUPS[1].see = real; 0")
    page.says("#disk .state", "^idle$")
    for width in (390, 721, 1081, 1280):
        page.look("light", width)
        unreadable = page.js(UNREADABLE)
        assert not unreadable, f"{width} pixels: {unreadable}"
    page.look()

    say("what is wrong is said at its field, and nothing is sent")
    sent = len(page.requests)
    for field, value, why in (
        ("amount", "", r"^How much\? 512Mi, for example\.$"), ("amount", "much", "“much” is no amount"),
        ("ttl", "soon", "“soon” is no time: 90s, 5m or 1h30m"),
    ):
        page.fill("#mem [name=amount]", "64Mi")
        page.fill(f"#mem [name={field}]", value)
        page.click("#mem .go")
        page.says("#mem .said.bad", why)
        assert invalid(page) == field and page.js("document.activeElement.name") == field
        assert page.js(f"document.querySelector('#mem [name={field}]').ariaDescribedByElements[0].className.includes('bad')")
        page.fill(f"#mem [name={field}]", "")
    page.fill("#mem [name=amount]", "64Mi")
    page.choose("#mem [name=ramp]", "over")
    page.click("#mem .go")
    page.says("#mem .said.bad", r"^In how much time\? 30s, for example\.$")
    states(page, "a field left out")
    assert invalid(page) == "pace"
    posted = [url for url in page.requests[sent:] if "/set" in url]
    assert not posted and testero.group("mem")["held"] == 0, posted

    say("the slider, a ramp, and time that runs out")
    page.js("document.querySelector('#mem [name=share]').focus()")
    page.key("Home")
    for _ in range(3):
        page.key("ArrowRight")
    assert page.js("document.querySelector('#mem [name=amount]').value") == "3%"
    page.choose("#mem [name=ramp]", "over")
    page.fill("#mem [name=pace]", "2s")
    page.fill("#mem [name=ttl]", "3s")
    page.says("#mem .line code", r"amount=3pct&exact=true&ttl=3s&over=2s'$")
    page.click("#mem .go")
    page.says("#mem .next", r"to 3[01](\.\d+)? MiB, \d+%")
    page.says("#next", "In .*: memory released")
    page.says("#mem .next", r"expires in [123] s")
    page.says("#mem .state", "^expired$")
    page.says("#mem .held b", "^0 B$")
    marks = "document.querySelectorAll('#mem .mark').length"
    eventually("what happened is marked", lambda: page.js(marks) >= 4)

    say("a ramp of the CPU tells its goal and how far it is")
    page.fill("#cpu [name=amount]", "400m")
    page.choose("#cpu [name=ramp]", "over")
    page.fill("#cpu [name=pace]", "30s")
    page.click("#cpu .go")
    page.says("#cpu .next", r"^to 0\.4 cores, [1-9]\d?%")
    states(page, "a ramp of the CPU")
    page.choose("#cpu [name=ramp]", "")
    page.click("#cpu button.off")
    page.says("#cpu .state", "^idle$")

    say("CPU, and stop")
    page.fill("#cpu [name=amount]", "200m")
    page.click("#cpu .go")
    page.says("#cpu .said", r"^Accepted\.$")
    page.says("#cpu .state", "^working$")
    page.says("#cpu .next", r"\d+ s to go")
    page.says("#cpu .held", r"^0\.\d+ of \d+ cores?$")
    page.click("#cpu button.off")
    page.says("#cpu .state", "^idle$")

    say("readiness")
    page.fill(".probes [name=for]", "soon")
    page.click("#readyz")
    page.says(".probes .said.bad", "“soon” is no time")
    page.fill(".probes [name=for]", "30s")
    page.click("#readyz")
    page.says("#ready.bad", "^not ready$")
    page.says(".probes .said.good", r"^Readiness is off for 30 s\.$")
    page.says(".probes .row p", r"^Readiness: not ready for (30|2\d) s$")
    page.says("#next", r"In (30|2\d) s: ready again")
    assert testero.ask("/api/status?format=json")["ready"] is False
    states(page, "not ready")
    page.click("#readyz")
    page.says("#ready.good", "^ready$")

    say("health is switched off after a question")
    page.fill(".probes [name=for]", "")
    page.click("#healthz")
    page.says("#sures", r"^Switch health off\?$")
    page.says("#means", "container again, and all that is held is lost")
    assert page.js("document.activeElement.textContent") == "Cancel"
    states(page, "health is asked about")
    page.key("Enter")
    eventually("it is closed", lambda: not page.js("document.querySelector('#sure').open"))
    assert testero.ask("/api/status?format=json")["healthy"] is True
    page.click("#healthz")
    page.click("#sure .go")
    page.says("#healthy.bad", "^not healthy$")
    page.says(".probes .said.good", r"^Health is off\.$")
    page.says("#next", "^Health is off until switched on$")
    page.click("#healthz")
    page.says("#healthy.good", "^healthy$")

    say("the curl lines are true")
    for card, amount in (("inode", "10"), ("fd", "20")):
        page.fill(f"#{card} [name=amount]", amount)
        page.click(f"#{card} summary")
        page.says(f"#{card} .line code", "^curl ")
        shell(page.text(f"#{card} .line code"))
        page.says(f"#{card} .held b", f"^{amount}$")
    page.js("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.click(".all summary")
    page.click(".all .line button")
    assert page.js("window.copied") == f"curl -X DELETE '{testero.origin}/api'"
    shell(page.js("window.copied"))
    page.says("#now", r"^Nothing is held\.$")
    page.js("navigator.clipboard.writeText = () => Promise.reject()")
    page.click("#mem .line button")
    page.says("#mem .line button", r"^(Copied|Press Ctrl\+C)$")
    assert page.js("getSelection().toString()") == page.text("#mem .line code"), "without a clipboard it is selected"

    say("something to begin with, where nothing is held")
    assert page.shown(".first button") and not page.js("document.querySelector('#all').matches('.full')")
    page.click(".first button:nth-child(2)")
    page.says("#cpu .state", "^working$")
    eventually("no more", lambda: not page.shown(".first button"))
    assert page.js("document.querySelector('#all').matches('.full')")
    page.click("#all")
    page.says("#now", r"^Nothing is held\.$")
    page.says("#done.good", "Released")

    say("jobs are listed, each with an end")
    for _ in range(2):
        testero.ask("/ConsumeCPU?millicores=50&durationSec=60&format=json", "POST")
    page.says(".jobs .rows", r"CPU: [\d.]+ of 0\.05 cores, (60|5\d) s to go")
    ends = r"In (1 m|5\d s): a job of CPU ends"
    page.says("#next", f"^{ends}{ends}$")
    testero.ask("/fault/exit?after=300s&format=json", "POST")
    page.says("#next", f"^In (5 m|4 m 5\\d s): the process ends{ends}{ends}$")
    states(page, "jobs")
    testero.ask("/fault?format=json", "DELETE")

    say("all is held, and nothing of it cut off")
    for path in ("mem/set?amount=64Mi&ttl=300s", "disk/set?amount=64Mi&wait=true", "cpu/load?cpu=100m&time=250s", "inode/set?amount=9999",
                 "pid/set?amount=40", "fd/set?amount=300", "io/load?time=240s&rate=1Mi"):
        testero.ask(f"/api/{path}&format=json", "POST")
    page.says("#now", "MiB memory.*files.*cores.*inodes.*pids.*descriptors.*MiB/s I/O")
    page.js("past.at(-2).cpu.throttled = 80; 0")
    page.says("#cpu .legend li:nth-child(4)", r"^held back \d+ ms/s$")
    eventually("what held it back is explained", lambda: page.shown("#cpu .legend li:nth-child(4)"))
    uncut(page, "all is held")
    states(page, "all is held")
    testero.ask("/api/cpu?format=json", "DELETE")
    testero.ask("/api/io?format=json", "DELETE")
    for group in ("mem", "disk", "inode", "pid", "fd"):
        testero.ask(f"/api/{group}?wait=true&format=json", "DELETE")
    page.click(".jobs .rows button")
    eventually("one is left", lambda: page.js("document.querySelectorAll('.jobs .rows li').length") == 1)
    page.click(".jobs .end")
    eventually("none is left", lambda: not testero.ask("/api/jobs?format=json")["jobs"])

    say("faults: those that end it are confirmed first")
    page.choose("[name=fault]", "0")
    page.fill(".given [name=for]", "2s")
    page.click(".faults .go")
    page.says(".faults .said", r"^Answers are 200 ms late for 2 s\.$")
    page.says(".faults .rows", r"^Delay of 200 ms, [12] s to goEnd$")
    page.says(".faults .rows", "^$")
    page.choose("[name=fault]", "4")
    page.click(".faults .go")
    page.says(".faults .rows", "^SIGTERM is ignored, until endedEnd$")
    states(page, "a fault")
    page.click(".faults .rows button")
    page.says(".faults .rows", "^$")
    page.choose("[name=fault]", "2")
    page.fill(".given [name=for]", "60s")
    with page.allowing("net::ERR|status of"):
        page.click(".faults .go")
        page.says("#sures", r"^Answer nothing\?$")
        page.js("new MutationObserver(([{ target }]) => window.firstly ??= target.textContent).observe(document.querySelector('#lost'), { childList: true })")
        page.click("#sure .go")
        page.says("#lost", r"^Lost for [4-9] s: No answer within 4 s\. You asked for this: End all faults\.", 12)
        assert re.match("Lost for [1-9]", page.js("firstly")), f"no time has passed before the first answer is missed: {page.js('firstly')}"
        page.js("tell(document.querySelector('.jobs .said'), ''); 0")
        assert not page.shown(".jobs"), "a box of jobs, where there are none"
        states(page, "it hangs")
        page.click(".faults .end")
        eventually("it answers again", lambda: not page.shown("#lost"))
    page.choose("[name=fault]", "1")
    page.fill(".given [name=for]", "60s")
    page.fill(".given [name=percent]", "100")
    page.click(".faults .go")
    page.says("#sures", r"^Answer with an error\?$")
    page.says("#means", "^This page, too, gets only errors; the kubelet may")
    states(page, "a fault that cuts the page off")
    with page.allowing("503"):
        page.click("#sure .go")
        page.says("#lost", r"^No state for \d s: A fault answers so, as you asked\. End all faults\. What you see is old\.")
        page.fill("#mem [name=amount]", "8Mi")
        page.click("#mem .go")
        page.says("#mem .said.bad", r"^A fault answers so, as you asked\.\nEnd all faults$")
        assert invalid(page) == ""
        states(page, "errors that were asked for")
        page.click("#mem .said button")
        page.says("#mem .said.good", r"^All faults are over\.$")
        eventually("it answers again", lambda: not page.shown("#lost"))
    page.choose("[name=fault]", "6")
    page.click(".faults .go")
    assert page.js("document.querySelector('#sure').open")
    states(page, "a fault that ends it")
    page.key("Escape")
    eventually("Esc closes", lambda: not page.js("document.querySelector('#sure').open"))
    assert testero.child.poll() is None


def keyboard(page, testero):
    say("the same with the keyboard alone")
    page.open(testero.origin + "/")
    page.says("#now", r"^Nothing is held\.$")
    eventually("three points", lambda: page.js("past.length > 3"))
    page.tab_to("#mem svg")
    for key in ("ArrowLeft", "ArrowLeft"):
        page.key(key)
    assert page.shown("#mem .tip") and "2 s ago" in page.text("#mem .tip")
    assert page.shown("#fd .tip") and "2 s ago" in page.text("#fd .tip"), "one time for all charts"
    page.key("Escape")
    assert not page.shown("#mem .tip")
    page.tab_to("#mem [name=amount]")
    page.type("16Mi")
    page.key("Enter")
    page.says("#mem .held b", "^16 MiB$")
    page.tab_to("#mem button.off")
    page.key(" ")
    page.says("#mem .held b", "^0 B$")
    page.tab_to("#disk [name=amount]")
    page.type("8Mi")
    page.key("Enter")
    page.says("#disk .held b", "^8(.\\d+)? MiB$")
    page.tab_to("#all")
    page.key("Enter")
    page.says("#now", r"^Nothing is held\.$")


def phone(page, testero):
    say("on a phone, the fixed bar covers nothing that the keyboard reaches")
    page.look("light", 390, 844)
    page.open(testero.origin + "/")
    page.says("#now", "held")
    stops, covered = 0, """(() => {
      const node = document.activeElement, box = node.getBoundingClientRect(), bar = document.querySelector(".hand");
      if (node === document.body) return null;
      const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      return bar.contains(node) || !bar.contains(there) ? "" : node.outerHTML;
    })()"""
    page.key("Tab")
    while (seen := page.js(covered)) is not None and stops < 200:
        assert not seen, f"stop {stops} is covered: {seen}"
        stops += 1
        page.key("Tab")
    assert stops > 60, stops
    states(page, "a phone")


# A ramp and a sine, over in two minutes.
SCENARIO = """version: 1
length: 2m
tracks:
  memory: {ramp: {from: 16Mi, to: 256Mi, over: 120s}}
  cpu: {sine: {low: 20m, high: 200m, period: 20s}}
  fd: {constant: 2000}
"""
# How far the last point of what is held is from the plan, in pixels.
OFF = """(() => {
  const points = (name) => document.querySelector(`.tracks section svg .${name}`).getAttribute("d").slice(1).split("L")
    .map((point) => point.split(",").map(Number)).filter((point) => point.length === 2);
  const held = points("held"), [x, y] = held.at(-1) || [];
  const planned = points("target").find(([at]) => at === x);
  return held.length > 2 && planned ? Math.abs(planned[1] - y) : null;
})()"""


def scenario(page, testero, work):
    say("a scenario: played, looked at, paused, sought, ended")
    page.look()
    page.open(testero.origin + "/")
    page.says(".scenario .about", "what this pod is to hold over time")
    assert not page.shown(".scenario .state") and not page.shown(".scenario .pause")

    def give(text):
        path = pathlib.Path(work) / "scenario.yaml"
        path.write_text(text)
        node = page("Runtime.evaluate", expression="document.querySelector('.scenario [name=file]')")["result"]["objectId"]
        page("DOM.setFileInputFiles", files=[str(path)], objectId=node)

    with page.allowing("400"):
        give("version: 1\ntracks: {memory: {ramb: 1}}\n")
        page.says(".scenario .said.bad", r"^tracks.memory.ramb \(line 2\): unknown key 'ramb'; the nearest is 'ramp'")
        states(page, "a scenario with a mistake")
    give(SCENARIO)
    page.says(".scenario .said.good", "Accepted")
    page.says(".scenario .state", "playing")
    page.says("#next", r"^In (2 m|1 m \d+ s): the scenario ends$")
    page.says(".tracks section:nth-child(1) h3", "^Memory: .*MiB held, .*MiB planned")
    page.says(".tracks section:nth-child(2) h3", "^CPU: .*cores held, .*cores planned")
    page.says(".tracks section:nth-child(3) .error", r"^clipped once; 2,000 is over the limit of 1,000; at most 1,000 would be accepted now$")
    eventually("the truth lies over the plan", lambda: (off := page.js(OFF)) is not None and off < 8)
    page.says("#cpu .next", "^by the scenario$")
    page.says("#mem .next", "^by the scenario$")
    page.says(".tracks section:nth-child(1) .error", "^$")
    eventually("its limit is drawn", lambda: page.js("!!document.querySelector('.tracks section:nth-child(3) svg line.limit')"))
    bottoms = "[...document.querySelectorAll('.tracks svg')].map((one) => Math.round(one.getBoundingClientRect().bottom))"
    assert len(set(page.js(bottoms))) == 1, f"the charts stand apart: {page.js(bottoms)}"
    seen_by_everybody(page, "a scenario")
    page.click(".scenario .pause")
    page.says(".scenario .state", "paused")
    states(page, "a scenario that is paused")
    page.says(".scenario .pause", "Resume")
    page.click(".scenario summary")
    page.says(".scenario .line code", "scenario/resume")
    page.click(".scenario .pause")
    page.says(".scenario .state", "playing")
    with page.allowing("400"):
        page.fill(".scenario [name=to]", "soon")
        page.click(".scenario .go")
        page.says(".scenario .said.bad", "“soon” is no time")
        assert invalid(page) == "to"
    page.fill(".scenario [name=to]", "100s")
    page.click(".scenario .go")
    page.says(".scenario .about", "1 m 4[0-9] s of 2 m")
    eventually("it is held", lambda: testero.group("mem")["held"] > 200 << 20)
    # It may end between one answer and the next.
    page.allowed.append(r"404 .*/api/scenario")
    page.click(".scenario .end")
    page.says(".scenario .said.good", "ended")
    page.says(".scenario .about", "what this pod is to hold over time")
    eventually("all is given back", lambda: testero.group("mem")["held"] == 0)
    assert not page.shown(".scenario .state") and page.js("document.querySelectorAll('.tracks section').length") == 0
    give("version: 1\nlength: 1s\ntracks: {fd: {constant: 3}}\n")
    page.says(".scenario .state", "^over$")
    page.says("#next", r"^Nothing\.$")
    testero.ask("/api/scenario?format=json", "DELETE")


def documentation(page, testero):
    say("the description of what can be asked, to read")
    page("Page.navigate", url=testero.origin + "/docs")
    drawn = "document.readyState === 'complete' && document.querySelectorAll('#list details').length"
    eventually("it is drawn", lambda: (page.js(drawn) or 0) > 50)
    listed = testero.ask("/api?format=json")
    for row in listed:
        for method in row["methods"]:
            there = f"""[...document.querySelectorAll('#list summary')].some(one =>
                one.querySelector('.path').textContent === {json.dumps(row["path"])}
                && [...one.querySelectorAll('.method')].some(mark => mark.textContent === {json.dumps(method)}))"""
            assert page.js(there), f"{method} {row['path']} is not told"
    groups = page.js("[...document.querySelectorAll('#groups a')].map(one => one.textContent).join()")
    assert groups.startswith("The service,Memory,Disk,") and ",Faults," in groups, groups
    page.click("#getMemSet summary")
    page.says("#getMemSet .curl", f"^curl -X POST '{testero.origin}/api/mem/set\\?format=json&amount=512Mi'$")
    page.says("#getMemSet dl", r"amountrequired.*Kubernetes quantity.*kind.*One of anon, file, shm\. Default: anon\.")
    states(page, "the description")

    say("its filter, by the keyboard; a link to an operation")
    page.js("document.activeElement.blur()")
    page.tab_to("#filter")
    page.type("/fault/delay")
    shown = "[...document.querySelectorAll('#list details')].filter(one => one.checkVisibility()).map(one => one.id).join()"
    eventually("it filters", lambda: page.js(shown) == "faultDelay,faultDelayEnd")
    page.tab_to("#faultDelay summary")
    page.key("Enter")
    eventually("it is open", lambda: page.js("document.querySelector('#faultDelay').open"))
    page.says("#faultDelay dl", "A whole number, 1 to 60000")
    page.fill("#filter", "nothing has this in it")
    page.says("#state", "^Nothing has these words in it.$")
    states(page, "the description, nothing found")
    page("Page.navigate", url="about:blank")
    page("Page.navigate", url=testero.origin + "/docs#cpuRelease")
    eventually("what a link names is open", lambda: page.js("document.querySelector('#cpuRelease')?.open"))

    say("it fits a phone and a wall, and can be read in light and dark")
    for scheme, width in [("light", 390), ("dark", 390), ("light", 1920), ("dark", 1360)]:
        page.look(scheme, width)
        page.js("for (const one of document.querySelectorAll('#list details')) one.open = true; 0")
        over = page.js("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{width} pixels: {over} too wide"
        pale = page.js(PALE)
        assert not pale, f"{scheme}: {pale}"
    page.look()
    page.open(testero.origin + "/")


# Texts that stand out from their ground by less than WCAG wants.
PALE = """(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(one => one / 255)
    .map(one => one <= .03928 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [.2126, .7152, .0722][at], 0);
  const ground = node => {
    const colour = getComputedStyle(node).backgroundColor;
    return (parts(colour)[3] ?? 1) || !node.parentElement ? colour : ground(node.parentElement);
  };
  const pale = new Set();
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some(one => one.nodeType === 3 && one.data.trim()) || !node.checkVisibility()) continue;
    const [one, other] = [getComputedStyle(node).color, ground(node)].map(light).sort((a, b) => b - a);
    if ((one + .05) / (other + .05) < 4.5) pale.add(node.tagName + "." + node.className);
  }
  return [...pale].join();
})()"""


def lost(page, testero):
    say("the server is lost, and comes back")
    page.open(testero.origin + "/")
    page.says("#now", "held")
    time.sleep(1.2)
    with page.allowing(r"net::ERR_.*/api/(status|history|mem/set)\?"):
        testero.end(signal.SIGKILL)
        told = r"^Lost for \d s: The server cannot be reached\. What you see is old\. Trying every second\.$"
        page.says("#lost", told)
        assert page.shown("#lost")
        page.says("#lost", "^Lost for [2-9] s")
        page.fill("#mem [name=amount]", "33Mi")
        page.click("#mem .go")
        page.says("#mem .said.bad", r"^The server cannot be reached\.$")
        states(page, "lost")
        page.js("scrollTo(0, document.body.scrollHeight)")
        place = "(({ top, bottom }) => [top, innerHeight - bottom])(document.querySelector('#lost').getBoundingClientRect())"
        eventually("it is seen from everywhere", lambda: min(page.js(place)) >= 0)
        grey = "[...document.querySelectorAll('#mem .chip, #mem svg, #mem progress')].every((one) => getComputedStyle(one).filter === 'grayscale(1)')"
        assert page.js(grey), "what is old has colours"
        testero.start()
        eventually("it resumes", lambda: not page.shown("#lost"))
    page.says("#note", r"The server is back after \d+ s\. It was started again: what it held is gone\.")
    states(page, "the server is back")
    page.says("#mem .said", "^$")
    assert page.js("document.querySelector('#mem [name=amount]').value") == "33Mi", "what was typed stays"
    page.js("{ const real = performance.now.bind(performance); performance.now = () => real() + 60000; } 0")
    time.sleep(1.5)
    page.says("#note", "^The server is back")
    page.click("#fd button.off")
    eventually("it is there until something is done", lambda: not page.shown("#note"))
    pieces = "document.querySelector('#mem path.held').getAttribute('d').split('M').length - 1"
    eventually("there is a hole", lambda: page.js(pieces) > 1)
    again = page.js("events.filter(({ what }) => what === 'restarted').length")
    assert again == 1 and page.js("!!document.querySelector('#mem .mark.bad')"), "that it began again is marked"

    say("what was seen is there for who comes later, and the span follows what happens until somebody chooses")
    eventually("some seconds pass", lambda: testero.ask("/api/history?format=json")["next"] > 3)
    testero.ask("/api/mem/set?amount=32Mi&exact=true&wait=true&format=json", "POST")
    page.open(testero.origin + "/")
    page.says("#spans [aria-pressed=true]", "^Auto: 1 m$")
    before = "past.filter(({ mem }) => mem.held === 0).length"
    eventually("the seconds before are known", lambda: page.js(before) > 1)
    page.click("#spans button:nth-child(4)")
    page.says("#spans [aria-pressed=true]", "^10 m$")
    page.says("#mem svg", "10 m ago")
    page.click("#spans button:nth-child(1)")
    testero.ask("/api?wait=true&format=json", "DELETE")

    say("nobody looks: nothing is asked")
    page.js("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    time.sleep(1.5)
    page.js("0")
    sent = len(page.requests)
    time.sleep(2.5)
    page.js("0")
    assert len(page.requests) == sent, page.requests[sent:]
    page.js("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    eventually("somebody looks", lambda: page.js("0") or len(page.requests) > sent)


def leave(page, testero):
    """Ends a testero that nobody looks at any more: who did would ask it once more."""
    page("Page.navigate", url="about:blank")
    eventually("nothing is shown", lambda: page.js("location.href") == "about:blank")
    testero.end()


def forced(page, binary, work):
    say("what does not fit can be taken all the same, once it is said what will happen")
    guarded = Testero(binary, work, HIGHMEMLIM="", HIGHFILELIM="")
    page.open(guarded.origin + "/")
    page.says("#now", r"^Nothing is held\.$")
    with page.allowing("422"):
        page.fill("#mem [name=amount]", "8Ei")
        page.click("#mem .go")
        page.says("#mem .said.bad", r"^8 EiB (does not fit|is over the limit of [\d.]+ .iB)\.\nUse .*Take it all the same …$")

        def refused():
            page.js("tell(document.querySelector('#mem .said'), ''); 0")
            before = places(page)
            page.js("document.querySelector('#mem .go').click()")
            page.says("#mem .said.bad", "same …$")
            assert places(page) == before, "two hands move other cards"

        unmoved(page, "a refusal with two hands", refused)
        page.click("#mem .said button:last-child")
    page.says("#sures", "^Take 8 EiB, past what fits\\?$")
    page.says("#means", "OOMKilled")
    states(page, "a question")
    page.key("Escape")
    eventually("Esc closes", lambda: not page.js("document.querySelector('#sure').open"))
    assert guarded.group("mem")["held"] == 0
    leave(page, guarded)


def tokens(page, binary, work):
    say("a token is asked for when it is needed")
    guarded = Testero(binary, work, TOKEN="right-token", POD_NAME="<b>pod</b><script>throw 1</script>")
    page.open(guarded.origin + "/")
    page.says("#who", "pod <b>pod</b><script>throw 1</script>")
    page.says("#now", r"^Nothing is held\.$")
    page.fill("#mem [name=amount]", "16Mi")
    with page.allowing(r"401 .*/api/mem/set"):
        page.click("#mem .go")
        page.says("#asks", "^Token required$")
        states(page, "a token is asked for")
        assert page.js("document.activeElement.id") == "token"
        page.key("Escape")
        page.says("#mem .said.bad", r"^A token is needed for this\.\nEnter token$")
        page.click("#mem .said button")
        eventually("it is asked for", lambda: page.js("document.querySelector('#ask').open"))
        page.type("wrong-token")
        page.key("Enter")
        page.says("#asks", "^Wrong token$")
        page.says("#why", "refused")
        states(page, "a wrong token")
        eventually("it is asked for again", lambda: page.js("document.querySelector('#ask').open"))
        page.type("right-token")
        page.key("Enter")
        page.says("#mem .held b", "^16 MiB$")
    page.click("#mem summary")
    page.says("#mem .line code", r'-H "Authorization: Bearer \$TOKEN"')
    values = "[...document.querySelectorAll('input')].map((one) => one.value).join()"
    assert "right-token" not in page.js(f"document.documentElement.outerHTML + {values}"), "the token is shown"
    assert page.js("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    leave(page, guarded)

    say("where reads need it, it is asked for first")
    guarded = Testero(binary, work, TOKEN="right-token", TOKENREADS="on")
    with page.allowing(r"401 .*/api/status"):
        page.open(guarded.origin + "/")
        eventually("it asks", lambda: page.js("document.querySelector('#ask').open"))
        page.key("Escape")
        page.says("#lost", r"^No state for [2-9] s: A token is needed for this\. Trying every second\.$")
        assert not page.js("document.querySelector('#ask').open"), "it insists"
        assert not page.shown(".first button"), "nothing is known to begin with"
        states(page, "no state without a token")
        page.click("#key")
        page.type("right-token")
        page.key("Enter")
        page.says("#now", r"^Nothing is held\.$")
        eventually("it is well", lambda: not page.shown("#lost"))
    leave(page, guarded)


def contrast(page):
    """Every pair of text and ground, by WCAG's formula."""
    def light(colour):
        colour = colour.strip().lstrip("#")
        colour = "".join(2 * one for one in colour) if len(colour) == 3 else colour
        parts = [int(colour[at:at + 2], 16) / 255 for at in (0, 2, 4)]
        parts = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    pairs = [(ink, ground, 4.5) for ink in ("ink", "soft") for ground in ("card", "back", "well")]
    pairs += [(ink, "card", 4.5) for ink in ("held", "limit", "good", "warn", "bad")] + [("on", "held", 4.5)]
    pairs += [(ink, "back", 4.5) for ink in ("good", "bad")] + [("own", "card", 3), ("edge", "card", 3)]
    for scheme in ("light", "dark"):
        page.look(scheme)
        for ink, ground, least in pairs:
            get = "getComputedStyle(document.documentElement).getPropertyValue('--%s')"
            one, other = sorted((light(page.js(get % ink)), light(page.js(get % ground))), reverse=True)
            ratio = (one + 0.05) / (other + 0.05)
            assert ratio >= least, f"{scheme}: --{ink} on --{ground} is {ratio:.2f}, less than {least}"
    page.look()


def seen_by_everybody(page, what):
    say("names for screen readers, contrast, narrow screens")
    wants = {"button", "textbox", "slider", "combobox", "switch", "dialog", "region", "progressbar"}
    for node in page("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if not node.get("ignored") and role in wants:
            assert node.get("name", {}).get("value"), f"a {role} without a name: {node}"
    contrast(page)
    kept = "[...document.querySelectorAll('#mem .go, #mem progress')].map((one) => getComputedStyle(one).forcedColorAdjust).join()"
    assert page.js(kept) == "none,none", "forced colours take what says which hand it is"
    states(page, what)
    for width in (320, 390, 768, 1024, 1920):
        page.look("light", width)
        over = page.js("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{width} pixels: {over} too wide"
    page.look()
    uncut(page, what)


# Ten minutes that never were, so that there is something to see; and a group that failed.
INVENTED = """(() => {
  const last = past.at(-1), MI = 2 ** 20;
  past.length = events.length = 0;
  for (let t = 0; t < 598; t++) {
    const point = { t: clock - 598 + t }, wave = (size, length) => size * (1 + .03 * Math.sin(t / length) + .02 * Math.random());
    const memory = t < 60 ? 0 : t < 300 ? 256 : 512;
    const filled = t < 60 ? 0 : Math.min(memory, t < 300 ? t * 3 - 180 : t * 4 - 944);
    const files = t < 200 ? 0 : t < 420 ? 800 * MI : 200 * MI, cpu = t < 120 ? 0 : t < 330 ? 1250 : t < 400 ? 0 : 750;
    point.mem = { held: filled * MI, target: memory * MI, own: filled * MI + wave(60 * MI, 9) };
    point.disk = { held: files, target: files };
    point.cpu = { target: cpu, held: cpu && wave(cpu, 3) * .98, own: wave(cpu + 90, 5), throttled: t > 200 && t < 260 ? 80 : 0 };
    for (const id of ["inode", "pid", "fd"]) {
      const { held, target, own } = last[id];
      point[id] = t < 340 ? { held: 0, target: 0, own: own && own - held } : last[id];
    }
    point.io = { held: t < 500 ? 0 : wave(4 * MI, 2), target: t < 500 ? 0 : 4 * MI };
    if (t <= 325 || t >= 350) past.push(point);
  }
  for (const [t, group, what, amount] of [[60, "mem", "set", 256 * MI], [120, "cpu", "load", 1250], [200, "disk", "set", 800 * MI],
    [201, "cpu", "throttled"], [300, "mem", "set", 512 * MI], [350, null, "restarted"], [400, "cpu", "load", 750], [420, "disk", "set", 200 * MI]]) {
    events.push({ t: clock - 598 + t, group, what, amount, by: "" });
  }
  chosen = 600;
  const fd = GROUPS[5], { see } = fd, error = "213 of 300 descriptors: Too many open files (os error 24)";
  fd.see = (s) => ({ ...see(s), state: "failed", error });
})()"""


def pictures(page, testero, folder):
    say(f"pictures, in {folder}")
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    page.look()
    page.open(testero.origin + "/")
    page.says("#now", "held")
    page.picture(f"{folder}/idle.png")
    for path in ("mem/set?amount=512Mi&ttl=5m", "disk/set?amount=2Gi&over=90s", "cpu/load?cpu=750m&time=4m",
                 "inode/set?amount=500", "pid/set?amount=40&ttl=90s", "fd/set?amount=300"):
        testero.ask(f"/api/{path}&format=json", "POST")
    time.sleep(6)
    # Where there are files by now.
    testero.ask("/api/io/load?time=60&rate=4Mi&format=json", "POST")
    page.says("#now", "I/O")
    page.js(INVENTED)
    with page.allowing("422"):
        page.fill("#inode [name=amount]", "99999")
        page.click("#inode .go")
        page.fill("#mem [name=amount]", "50%")
        page.fill("#mem [name=ttl]", "5m")
        page.says("#inode .said.bad", "over the limit")
    page.js("document.activeElement.blur(); scrollTo(0, 0)")
    time.sleep(1.2)
    looks = [("light", "light", 1360), ("dark", "dark", 1360), ("narrow", "light", 390), ("narrow-dark", "dark", 390)]
    for name, scheme, width in [*looks, ("middle", "light", 900), ("laptop", "light", 1280), ("wide", "dark", 1920)]:
        page.look(scheme, width, 900 if width > 500 else 844, 1 if width > 500 else 2)
        time.sleep(1.3)
        page.picture(f"{folder}/{name}.png")
        if width in (390, 1360):
            page.picture(f"{folder}/{name}-top.png", 900)
        page("Page.navigate", url=testero.origin + "/docs#getMemSet")
        eventually("it is drawn", lambda: page.js("document.querySelector('#getMemSet')?.open"))
        page.picture(f"{folder}/docs-{name}.png", 1500)
        page.open(testero.origin + "/")
    page.look()
    testero.ask("/api?wait=true&format=json", "DELETE")
    testero.ask("/api/scenario?format=json", "PUT", SCENARIO.encode())
    time.sleep(40)
    for name, scheme, width in looks:
        page.look(scheme, width)
        time.sleep(1.3)
        page.picture(f"{folder}/scenario-{name}.png")
    testero.ask("/api/scenario?format=json", "DELETE")
    page.look()
    box = "document.querySelector('#mem svg').getBoundingClientRect()"
    left, top, width = page.js(f"(({{ x, y, width }}) => [x, y, width])({box})")
    page("Input.dispatchMouseEvent", type="mouseMoved", x=left + width * 0.7, y=top + 60)
    page("Page.captureScreenshot")
    page.picture(f"{folder}/hover.png")
    page.choose("[name=fault]", "6")
    page.js("document.querySelector('.faults .go').click()")
    page.look("dark")
    page.picture(f"{folder}/dialog.png")
    page.key("Escape")
    page.look()
    page.click("#mem summary")
    page.picture(f"{folder}/lines.png", 900)
    # What is said of it may come late.
    page.allowed.append("net::ERR")
    testero.end(signal.SIGKILL)
    page.says("#lost", "Lost for 2 s")
    page.picture(f"{folder}/lost.png")
    testero.start()
    eventually("it is back", lambda: not page.shown("#lost"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binary")
    arguments.add_argument("--axe", metavar="FILE", help="axe-core, which looks for what some people cannot use")
    arguments.add_argument("--screenshots", metavar="DIR")
    asked = arguments.parse_args()
    began = time.monotonic()
    work = tempfile.mkdtemp()
    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(shutil.rmtree, work, ignore_errors=True)
        at_the_end.callback(lambda: [one.end(signal.SIGKILL) for one in Testero.all if one.child.poll() is None])
        page = Browser(f"{work}/profile")
        at_the_end.callback(page.end)
        page.look()
        if asked.screenshots:
            page.folder = pathlib.Path(asked.screenshots, "states")
            page.folder.mkdir(parents=True, exist_ok=True)
        page.axe = pathlib.Path(asked.axe).read_text() if asked.axe else None
        testero = Testero(asked.binary, work, FAULTS="on", POD_NAME="testero-0", POD_NAMESPACE="ci")
        try:
            mouse(page, testero)
            seen_by_everybody(page, "idle")
            keyboard(page, testero)
            phone(page, testero)
            scenario(page, testero, work)
            documentation(page, testero)
            lost(page, testero)
            forced(page, asked.binary, work)
            tokens(page, asked.binary, work)
            if asked.screenshots:
                pictures(page, testero, asked.screenshots)
        except BaseException:
            for line in page.errors:
                print(f"the console: {line}")
            if asked.screenshots:
                with contextlib.suppress(Exception):
                    page.picture(f"{asked.screenshots}/failed.png")
            raise
        assert not page.errors, "the console says:\n" + "\n".join(page.errors)
        ours = tuple(f"{one.origin}/" for one in Testero.all)
        away = [url for url in page.requests if not url.startswith((*ours, "data:"))]
        assert not away, f"requests leave the origin: {away}"
        say(f"the page is good: {len(page.requests)} requests, all to testero; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
