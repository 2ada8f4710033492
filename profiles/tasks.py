"""Jobs of the profiles app. They carry ids only."""

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from profiles import mails

#: For a day.
MAIL_AWAY = RetryStrategy(max_attempts=9, exponential_wait=4)


@app.task(retry=MAIL_AWAY)
def mail_contact_message(message_id: int) -> None:
    """Bring a message to its builder by mail."""
    mails.send_contact_message(message_id)
