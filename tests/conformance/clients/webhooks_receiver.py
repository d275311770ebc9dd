import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, dict(self.headers))
            keep(json.loads(body))  # the whole of it, under its id, before it is answered
            self.send_response(204)
        except WebhookVerificationError:
            self.send_response(401)
        self.end_headers()


def keep(told):
    print(told["id"], told["sequence"], told["event"], told["data"], flush=True)


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hook).serve_forever()
