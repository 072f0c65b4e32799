"""Reads status events until none is left, with the standard library alone: at least once, so repeats are recognised.

Needs BRIDGE_URL and BRIDGE_KEY (right "receive") in the environment.
"""

import json
import os
import urllib.request

URL = os.environ["BRIDGE_URL"]
latest = {}  # Keep this with your own data: the newest sequence of each submission.


def call(method, value=None):
    body = None if value is None else json.dumps(value).encode()
    headers = {"x-bridge-key": os.environ["BRIDGE_KEY"], "content-type": "application/json"}
    request = urllib.request.Request(URL + "/api/events", body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


while messages := call("GET")["messages"]:
    for message in messages:
        data = message["event"]["data"]
        submission, sequence = data.get("submissionId"), data.get("sequence", 0)
        if sequence > latest.get(submission, 0):  # A lower one is a repeat, or came out of order.
            latest[submission] = sequence
            print(submission, message["event"]["type"])
    # Only now: what is not acknowledged comes again.
    call("POST", {"receipts": [message["receipt"] for message in messages]})
