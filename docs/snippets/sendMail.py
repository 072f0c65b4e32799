"""Sends one mail and reads its state, with the standard library alone.

Needs BRIDGE_URL, BRIDGE_KEY, MAILBOX and RECIPIENT in the environment.
"""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ["BRIDGE_URL"]


def call(method, path, value=None):
    """The answer as JSON. What is temporary is repeated: the id makes a repeat harmless."""
    body = None if value is None else json.dumps(value).encode()
    headers = {"x-bridge-key": os.environ["BRIDGE_KEY"], "content-type": "application/json"}
    request = urllib.request.Request(URL + path, body, headers, method=method)
    for attempt in range(5):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = error.read().decode()
            if error.code not in (409, 429, 500, 503):
                raise SystemExit(problem)
            time.sleep(int(error.headers.get("retry-after", 2**attempt)))
    raise SystemExit(problem)


accepted = call(
    "POST",
    "/api/mail",
    {
        "id": f"python-{uuid.uuid4()}",
        "mailbox": os.environ["MAILBOX"],
        "to": [os.environ["RECIPIENT"]],
        "subject": "From a script",
        "text": "Hello.",
    },
)
print(json.dumps(call("GET", accepted["href"].removeprefix(URL))))
