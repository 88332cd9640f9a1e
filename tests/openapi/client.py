"""What a back end in Python writes: see docs/clients.md."""
import sys

from schoolbell_client import AuthenticatedClient
from schoolbell_client.api.notifications import post_notifications
from schoolbell_client.models import SendNotification

url, key, user_id = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key)
graded = SendNotification.from_dict(
    {"userId": user_id, "type": "assignment.graded", "title": "Your assignment was graded", "message": "Maths, fractions"}
)
answer = post_notifications.sync_detailed(client=client, body=graded)
assert answer.status_code == 201, answer
print(f"Python: {answer.parsed.data.recipients} recipient")
