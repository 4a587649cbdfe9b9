"""The Python code of the lesson that Curta's users learn from, as they type it.

Only the base URL and the key differ, and both come from the SDK's own variables.
"""
import anthropic

client = anthropic.Anthropic()

response = client.messages.create(
    model="claude-sonnet-4-20250514",
    max_tokens=4096,
    tools=[
        {
            "type": "code_execution_20250522",
            "name": "code_execution",
        }
    ],
    messages=[
        {
            "role": "user",
            "content": "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42",
        }
    ],
)

print(response.content)

client = anthropic.Anthropic()

response = client.messages.create(
    model="claude-sonnet-4-20250514",
    max_tokens=4096,
    tools=[{"type": "code_execution_20250522", "name": "code_execution"}],
    messages=[
        {
            "role": "user",
            "content": (
                "I have an investment portfolio: "
                "Stock A: $10,000 at 8% return, "
                "Stock B: $15,000 at 12% return, "
                "Bonds: $25,000 at 5% return. "
                "Calculate: weighted return, value after 5 and 10 years "
                "(with reinvestment), and create a chart showing "
                "portfolio growth over 10 years"
            ),
        }
    ],
)

for block in response.content:
    if hasattr(block, "text"):
        print(block.text)
    elif block.type == "code_execution_result":
        if block.output.type == "image":
            print("[Chart generated]")
        else:
            print("Result:", block.output.text)
