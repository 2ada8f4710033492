"""Alert notifications by email, as a mail client shows them."""

import email
from email.policy import SMTP

import apprise
import pytest

from tests.helpers.servers.mail_server import mail_server
from tests.helpers.servers.processes import free_port
from webhooks.monitoring.notifications import delivery
from webhooks.monitoring.notifications.delivery import Message

BODY = "3 of the last 9 events failed.\n\n3 × user.created: KeyError in <module> & more\nReplay: http://bw.localhost/"
#: What HTML mail clients receive if the channel's URL asks for HTML.
ESCAPED = "&lt;module&gt;&nbsp;&amp;&nbsp;more<br/>Replay"


@pytest.mark.parametrize(("parameters", "kind", "expected"), (("", "plain", BODY), ("&format=html", "html", ESCAPED)))
def test_email_keeps_paragraphs_and_angle_brackets(parameters: str, kind: str, expected: str) -> None:
    port = free_port()
    url = f"mailto://127.0.0.1:{port}?from=alerts@bw.localhost&to=operators@bw.localhost{parameters}"
    with mail_server(port) as received:
        assert delivery.send(url, Message("Title", BODY, apprise.NotifyType.WARNING, "site/rule")) == ""
    [message] = [email.message_from_bytes(content, policy=SMTP) for content in received]
    part = message.get_body((kind,))
    assert part, message
    assert expected in part.get_content().replace("\r\n", "\n")
    assert part.get_content_subtype() == kind
