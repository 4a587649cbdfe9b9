"""Everything else that users do with the SDK: one JSON line for each part, behind `json:`."""
import asyncio
import json
import sys

import anthropic

TOOLS = [{"type": "code_execution_20250522", "name": "code_execution"}]
BETA = "code-execution-2025-05-22"
REQUEST = {
    "model": "claude-sonnet-4-20250514",
    "max_tokens": 4096,
    "tools": TOOLS,
    "messages": [{"role": "user", "content": "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42"}],
}


def tell(part, **values):
    print("json:" + json.dumps({"part": part, **values}, default=str))


def dump(message):
    return message.model_dump(mode="json", warnings=False)


def create(client):
    message = client.messages.create(**REQUEST)
    tell("create", message=dump(message), request_id=message._request_id)
    return message


def stream(client):
    texts = []
    with client.messages.stream(**REQUEST) as events:
        for text in events.text_stream:
            texts.append(text)
        message = events.get_final_message()
    tell("stream", texts=texts, message=dump(message), request_id=events.response.headers["request-id"])


def raw_stream(client):
    events = list(client.messages.create(**REQUEST, stream=True))
    tell("raw stream", types=[event.type for event in events])


def beta(client):
    message = client.beta.messages.create(**REQUEST, betas=[BETA])
    with client.beta.messages.stream(**REQUEST, betas=[BETA]) as events:
        streamed = events.get_final_message()
    tell("beta", message=dump(message), streamed=dump(streamed))


def turns(client, **options):
    """The whole content goes back as the SDK's own objects."""
    send = client.messages.create
    first = send(**REQUEST, **options)
    messages = [
        *REQUEST["messages"],
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "I have a loan of $500,000, at 4.5% annual interest, for 25 years. "
            "Calculate: the monthly payment, total payments, and total interest"},
    ]
    second = send(**{**REQUEST, "messages": messages}, container=first.container.id, **options)
    messages += [
        {"role": "assistant", "content": second.content},
        {"role": "user", "content": "What is the sum of all prime numbers below 1000?"},
    ]
    third = send(**{**REQUEST, "messages": messages}, **options)
    tell("turns", containers=[first.container.id, second.container.id],
        contents=[dump(message)["content"] for message in (first, second, third)])


def errors(client):
    found = []
    for change in ({"max_tokens": 0}, {"container": "container_gone"}, {"messages": []}):
        try:
            client.messages.create(**{**REQUEST, **change})
        except anthropic.APIStatusError as error:
            found.append({
                "class": type(error).__name__,
                "status": error.status_code,
                "message": error.message,
                "request_id": error.request_id,
            })
    tell("errors", errors=found)


def tool_runner(client):
    cities = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: Its name.
        """
        cities.append(city)
        return "21 degrees"

    runner = client.beta.messages.tool_runner(
        model="claude-sonnet-4-20250514",
        max_tokens=1024,
        tools=[get_weather, *TOOLS],
        messages=[{"role": "user", "content": "Use the tool get_weather for Paris."}],
    )
    last = None
    for message in runner:
        last = message
    tell("tool runner", cities=cities, message=dump(last))


def programmatic_calls(client, stream):
    """The runner answers what the code asks, and takes the container along."""
    cities = []

    @anthropic.beta_tool(allowed_callers=["code_execution_20260120"])
    def get_degrees(city: str) -> str:
        """The degrees of a city.

        Args:
            city: Its name.
        """
        cities.append(city)
        return f"{len(city)} degrees"

    runner = client.beta.messages.tool_runner(
        model="claude-sonnet-4-20250514",
        max_tokens=1024,
        stream=stream,
        tools=[get_degrees, {"type": "code_execution_20260120", "name": "code_execution"}],
        messages=[{"role": "user", "content": "Ask for degrees from code."}],
    )
    messages = [message.get_final_message() if stream else message for message in runner]
    tell("programmatic calls", cities=cities, containers=[message.container.id for message in messages],
        message=dump(messages[-1]))


def files(client):
    """Everything that the Files API does, and a file on its way in and out of a container."""
    api = client.beta.files
    uploaded = api.upload(file=("weather.csv", b"city,degrees\nParis,21\n", "text/csv"))
    read = api.retrieve_metadata(uploaded.id)
    listed = [file.id for file in api.list(limit=1)]
    message = client.beta.messages.create(
        model="claude-sonnet-4-20250514",
        max_tokens=1024,
        tools=TOOLS,
        betas=[BETA],
        messages=[{"role": "user", "content": [
            {"type": "text", "text": "Copy weather.csv."},
            {"type": "container_upload", "file_id": uploaded.id},
        ]}],
    )
    result = next(block for block in message.content if block.type == "code_execution_tool_result")
    [output] = result.content.content
    made = api.retrieve_metadata(output.file_id)
    text = api.download(output.file_id).text()
    try:
        api.download(uploaded.id)
        refused = None
    except anthropic.BadRequestError as error:
        refused = error.message
    deleted = api.delete(uploaded.id)
    try:
        api.retrieve_metadata(uploaded.id)
        gone = False
    except anthropic.NotFoundError:
        gone = True
    tell("files", uploaded=dump(uploaded), read=dump(read), listed=listed, made=dump(made), text=text,
        refused=refused, deleted=dump(deleted), gone=gone)


def models(client):
    listed = [model.id for model in client.models.list()]
    one = client.beta.models.retrieve(listed[0])
    bare = {"model": REQUEST["model"], "messages": REQUEST["messages"]}
    tell("models", listed=listed, type=one.type,
        bare=client.messages.count_tokens(**bare).input_tokens,
        full=client.beta.messages.count_tokens(**bare, tools=TOOLS, betas=[BETA]).input_tokens)


async def asynchronous_files(client):
    uploaded = await client.files.upload(file=("a.txt", b"seven pines", "text/plain"))
    listed = [file.id async for file in client.files.list(limit=1)]
    await client.files.delete(uploaded.id)
    tell("async files", id=uploaded.id, listed=listed)


async def asynchronous():
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        created, other = await asyncio.gather(
            client.messages.create(**REQUEST),
            client.messages.create(**REQUEST),
        )
        texts = []
        async with client.messages.stream(**REQUEST) as events:
            async for text in events.text_stream:
                texts.append(text)
            streamed = await events.get_final_message()
        await asynchronous_files(client)
    tell("async", contents=[dump(message)["content"] for message in (created, other, streamed)], texts=texts)


sync = anthropic.Anthropic(max_retries=0)
create(sync)
stream(sync)
raw_stream(sync)
beta(sync)
turns(sync)
turns(sync, extra_headers={"anthropic-beta": BETA})
errors(sync)
tool_runner(sync)
programmatic_calls(sync, stream=False)
programmatic_calls(sync, stream=True)
files(sync)
models(sync)
asyncio.run(asynchronous())
tell("version", anthropic=anthropic.__version__, python=sys.version)
