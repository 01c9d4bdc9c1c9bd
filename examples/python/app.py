"""The echo app in plain Python: what one browser says, every browser hears."""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

SECRET = os.environ.get("CHLOE_SECRET")
API_KEY = os.environ.get("CHLOE_API_KEY")
SEND_URL = os.environ.get("CHLOE_URL", "http://127.0.0.1:8901") + "/send"
PORT = int(os.environ.get("PORT", 4567))


def is_signed(headers, body):
    """Whether Chloe signed the request, not over five minutes ago (standardwebhooks.com)."""
    event_id, timestamp, signatures = (
        headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not timestamp.isdecimal() or abs(time.time() - float(timestamp)) > 300:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{event_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    return any(hmac.compare_digest(expected, each) for each in signatures.encode().split())


def send(message):
    """Hands a message to Chloe, for every browser. Raises OSError where Chloe does not take it."""
    headers = {"content-type": "application/json"}
    if API_KEY:
        headers["authorization"] = f"Bearer {API_KEY}"
    urlopen(Request(SEND_URL, json.dumps(message).encode(), headers), timeout=5).close()


class App(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(self.status_for(body))
        self.end_headers()

    def status_for(self, body):
        if SECRET and not is_signed(self.headers, body):
            return 401
        event = json.loads(body)
        if event["type"] == "message":
            data = {"via": "Python", "from": event["session"], "said": event["data"]}
            try:
                # Chloe may post an event again: with its id it is still sent only once.
                send({"data": data, "id": self.headers["webhook-id"]})
            except OSError as error:
                self.log_error("Cannot send: %s", error)
                return 502  # Chloe posts the event again
        return 204


ThreadingHTTPServer(("127.0.0.1", PORT), App).serve_forever()
