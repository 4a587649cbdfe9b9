"""Web search beside code execution with the SDK, in both renderings: one JSON line for each request, behind `json:`."""
import asyncio
import json

import anthropic

QUESTION = (
    "Search for the stock prices of the top 5 tech companies today then create a chart comparing them"
)
NATIVE = {"anthropic-beta": "code-execution-2025-05-22"}
OLD = [
    {"type": "code_execution_20250522", "name": "code_execution"},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
]
FROM_CODE = [
    {"type": "code_execution_20260120", "name": "code_execution"},
    {"type": "web_search_20260209", "name": "web_search"},
]


def request(tools, messages=None, **fields):
    asked = messages or [{"role": "user", "content": QUESTION}]
    return {"model": "any", "max_tokens": 4096, "tools": tools, "messages": asked, **fields}


def tell(name, message, **fields):
    dumped = message.model_dump(mode="json", warnings=False)
    found = [
        {"kind": type(block).__name__, "results": [type(result).__name__ for result in block.content]}
        for block in message.content
        if block.type == "web_search_tool_result" and isinstance(block.content, list)
    ]
    cited = [
        citation.url for block in message.content if block.type == "text" for citation in block.citations or []
    ]
    print("json:" + json.dumps({"part": name, "message": dumped, "found": found, "cited": cited, **fields}))


def streamed(client, asked, headers=None):
    kinds = []
    with client.messages.stream(**asked, extra_headers=headers) as events:
        for event in events:
            kinds.append(event.type)
        return events.get_final_message(), kinds


def main():
    client = anthropic.Anthropic(max_retries=0)
    for name, headers in (("lesson", None), ("native", NATIVE)):
        created = client.messages.create(**request(OLD), extra_headers=headers)
        tell(name, created)
        message, kinds = streamed(client, request(OLD), headers)
        tell(f"{name} streamed", message, kinds=kinds)
        turns = [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": created.content},
            {"role": "user", "content": "Which is the highest?"},
        ]
        tell(f"{name} again", client.messages.create(**request(OLD, turns), extra_headers=headers))

    created = client.messages.create(**request(FROM_CODE))
    tell("from code", created)
    message, kinds = streamed(client, request(FROM_CODE))
    tell("from code streamed", message, kinds=kinds)
    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": "Which is the highest?"},
    ]
    tell("from code again", client.messages.create(**request(FROM_CODE, turns, container=message.container.id)))
    tell("beta", client.beta.messages.create(**request(FROM_CODE), betas=["code-execution-web-tools-2026-02-09"]))
    asyncio.run(at_once())


async def at_once():
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        asked = [client.messages.create(**request(tools)) for tools in (OLD, FROM_CODE)]
        for message in await asyncio.gather(*asked):
            tell("async", message)


main()
