"""Puts one submission straight on the queue, with a token of Entra and the standard library alone.

Needs STORAGE (https://NAME.queue.core.windows.net), TENANT, CLIENT_ID, CLIENT_SECRET, MAILBOX and RECIPIENT in the
environment; the application has the role Storage Queue Data Message Sender on outbound-mail.
AUTHORITY names another cloud's sign-in.
"""

import json
import os
import urllib.parse
import urllib.request
import uuid
from xml.sax.saxutils import escape


def post(url, body, headers):
    request = urllib.request.Request(url, body.encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


authority = os.environ.get("AUTHORITY", "https://login.microsoftonline.com")
form = {
    "grant_type": "client_credentials",
    "client_id": os.environ["CLIENT_ID"],
    "client_secret": os.environ["CLIENT_SECRET"],
    "scope": "https://storage.azure.com/.default",
}
token = json.loads(
    post(
        f"{authority}/{os.environ['TENANT']}/oauth2/v2.0/token",
        urllib.parse.urlencode(form),
        {"content-type": "application/x-www-form-urlencoded"},
    )
)["access_token"]

submission = {
    "id": f"queue-{uuid.uuid4()}",
    "mailbox": os.environ["MAILBOX"],
    "to": [os.environ["RECIPIENT"]],
    "subject": "From a script",
    "text": "Hello.",
}
# ASCII JSON within XML; it never expires.
message = f"<QueueMessage><MessageText>{escape(json.dumps(submission))}</MessageText></QueueMessage>"
post(
    f"{os.environ['STORAGE']}/outbound-mail/messages?messagettl=-1",
    message,
    {"authorization": f"Bearer {token}", "x-ms-version": "2021-12-02", "content-type": "application/xml"},
)
print(submission["id"])
