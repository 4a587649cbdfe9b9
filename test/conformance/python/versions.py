"""Every version of the tool through every way of asking that the SDK has; one JSON line each, behind `json:`."""
import asyncio
import json

import anthropic

VERSIONS = {
    "code_execution_20250522": ["code-execution-2025-05-22"],
    "code_execution_20250825": ["code-execution-2025-08-25"],
    "code_execution_20260120": [],
    "code_execution_20260521": [],
}


def request(version, betas, is_beta):
    known = {"betas": betas} if is_beta else {"extra_headers": {"anthropic-beta": ",".join(betas)} if betas else {}}
    return {
        "model": "any",
        "max_tokens": 4096,
        "tools": [{"type": version, "name": "code_execution"}],
        "messages": [{"role": "user", "content": "Go."}],
        **known,
    }


def again(first):
    return [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "Again."},
    ]


def tell(version, way, first, second, texts):
    print("json:" + json.dumps({
        "version": version,
        "way": way,
        "content": [block.model_dump(mode="json", exclude_none=True, warnings=False) for block in first.content],
        "classes": [type(block).__name__ for block in first.content],
        "containers": [first.container.id, second.container.id],
        "second": [block.type for block in second.content],
        "texts": texts,
    }))


def synchronous(client):
    for version, betas in VERSIONS.items():
        for api, is_beta in ((client.messages, False), (client.beta.messages, True)):
            name = "beta" if is_beta else "messages"
            ask = request(version, betas, is_beta)
            first = api.create(**ask)
            more = {**ask, "messages": again(first), "container": first.container.id}
            tell(version, f"{name}.create", first, api.create(**more), "")
            with api.stream(**ask) as events:
                texts = "".join(events.text_stream)
                first = events.get_final_message()
            with api.stream(**{**more, "messages": again(first), "container": first.container.id}) as events:
                second = events.get_final_message()
            tell(version, f"{name}.stream", first, second, texts)


async def asynchronous():
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        for version, betas in VERSIONS.items():
            for api, is_beta in ((client.messages, False), (client.beta.messages, True)):
                name = "beta" if is_beta else "messages"
                ask = request(version, betas, is_beta)
                first = await api.create(**ask)
                more = {**ask, "messages": again(first), "container": first.container.id}
                tell(version, f"async {name}.create", first, await api.create(**more), "")
                async with api.stream(**ask) as events:
                    texts = "".join([text async for text in events.text_stream])
                    first = await events.get_final_message()
                more = {**more, "messages": again(first), "container": first.container.id}
                async with api.stream(**more) as events:
                    second = await events.get_final_message()
                tell(version, f"async {name}.stream", first, second, texts)


synchronous(anthropic.Anthropic(max_retries=0))
asyncio.run(asynchronous())
