"""Two turns of one conversation, with the official Python SDK. Only the base URL and the key are changed.

    pip install anthropic
    python examples/two_turns.py

The whole answer is sent back with the second question, and `container` names the sandbox of the first, so
that its variables are still there.
"""

import os
import sys

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ.get("ANTHROPIC_BASE_URL", "http://127.0.0.1:4242"),
    api_key=os.environ.get("ANTHROPIC_API_KEY", "any"),
)


def ask(messages: list, **more: object) -> anthropic.types.Message:
    """Send the conversation and print what comes back."""
    message = client.messages.create(
        model="claude-sonnet-4-20250514",
        max_tokens=4096,
        tools=[{"type": "code_execution_20250522", "name": "code_execution"}],
        messages=messages,
        **more,
    )
    for block in message.content:
        if block.type == "server_tool_use":
            print(f"Code:\n{block.input['code']}")
        elif block.type == "code_execution_result":
            print("Result:", "[chart]" if block.output["type"] == "image" else block.output["text"])
        elif block.type == "text":
            print(block.text)
    if not any(block.type == "code_execution_result" for block in message.content):
        sys.exit("No code ran.")
    return message


conversation: list = [{"role": "user", "content": "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42"}]
first = ask(conversation)
conversation += [
    {"role": "assistant", "content": first.content},
    {"role": "user", "content": "Now calculate the mean and the median of the same numbers."},
]
ask(conversation, container=first.container.id)
