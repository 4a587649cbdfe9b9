"""What an older SDK makes of streams: it takes the container from `message_start`, or only from the last delta."""
import json

import anthropic

REQUEST = {
    "model": "claude-sonnet-4-20250514",
    "max_tokens": 4096,
    "tools": [{"type": "code_execution_20250522", "name": "code_execution"}],
    "messages": [{"role": "user", "content": "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42"}],
}
BETAS = ["code-execution-2025-05-22"]


def tell(part, **values):
    print("json:" + json.dumps({"part": part, **values}, default=str))


def container_of(message):
    # The class of that time does not name the field in every place.
    container = message.model_dump(warnings=False).get("container")
    return None if container is None else container["id"]


def final(stream):
    with stream as events:
        return events.get_final_message()


client = anthropic.Anthropic(max_retries=0)
created = client.beta.messages.create(**REQUEST, betas=BETAS)
container = container_of(created)
reused = {**REQUEST, "extra_body": {"container": container}}
headers = {"anthropic-beta": BETAS[0]}
tell(
    "old",
    version=anthropic.__version__,
    created=container,
    types=[block.type for block in created.content],
    new_beta=container_of(final(client.beta.messages.stream(**REQUEST, betas=BETAS))),
    reused_beta=container_of(final(client.beta.messages.stream(**reused, betas=BETAS))),
    reused=container_of(final(client.messages.stream(**reused, extra_headers=headers))),
    text="".join(block.text for block in created.content if block.type == "text"),
)
