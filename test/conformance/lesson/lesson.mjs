/**
 * The code of the lesson that Curta's users learn from, as they type it: only the base URL and the key
 * differ, and both come from the SDK's own variables. Lines that begin with `json:` are for the test.
 */
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic();

function processCodeExecutionResponse(response) {
  const results = {
    text: [],
    images: [],
    code: [],
    errors: [],
  };

  for (const block of response.content) {
    switch (block.type) {
      case "text":
        results.text.push(block.text);
        break;
      case "server_tool_use":
        if (block.name === "code_execution") {
          results.code.push(block.input.code);
        }
        break;
      case "code_execution_result":
        if (block.output.type === "text") {
          results.text.push(block.output.text);
        } else if (block.output.type === "image") {
          results.images.push({
            format: block.output.media_type,
            data: block.output.data,
          });
        }
        // Check for errors
        if (block.is_error) {
          results.errors.push(block.output.text);
        }
        break;
    }
  }

  return results;
}

async function standardDeviation() {
  const response = await client.messages.create({
    model: "claude-sonnet-4-20250514",
    max_tokens: 4096,
    tools: [
      {
        type: "code_execution_20250522",
        name: "code_execution",
      },
    ],
    messages: [
      {
        role: "user",
        content: "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42",
      },
    ],
  });
  return response;
}

async function loan() {
  const response = await client.messages.create({
    model: "claude-sonnet-4-20250514",
    max_tokens: 4096,
    tools: [{ type: "code_execution_20250522", name: "code_execution" }],
    messages: [
      {
        role: "user",
        content:
          "I have a loan of $500,000, at 4.5% annual interest, for 25 years. " +
          "Calculate: the monthly payment, total payments, and total interest",
      },
    ],
  });
  return response;
}

async function csv() {
  const response = await client.messages.create({
    model: "claude-sonnet-4-20250514",
    max_tokens: 4096,
    tools: [{ type: "code_execution_20250522", name: "code_execution" }],
    messages: [
      {
        role: "user",
        content: [
          {
            type: "text",
            text: "Analyze this file and give me: mean, median, highest and lowest value for each numeric column",
          },
          {
            type: "document",
            source: {
              type: "base64",
              media_type: "text/csv",
              data: "bmFtZSxhZ2Usc2FsYXJ5CkFobWVkLDMwLDUwMDAKU2FyYSwsMjUsNDUwMApNb2hhbWVkLDM1LDcwMDA=",
            },
            title: "employees.csv",
          },
        ],
      },
    ],
  });
  return response;
}

async function chart() {
  const response = await client.messages.create({
    model: "claude-sonnet-4-20250514",
    max_tokens: 4096,
    tools: [{ type: "code_execution_20250522", name: "code_execution" }],
    messages: [
      {
        role: "user",
        content:
          "Create a chart showing the company's monthly sales: " +
          "January: 50000, February: 62000, March: 45000, " +
          "April: 71000, May: 58000, June: 89000",
      },
    ],
  });

  // The response will contain a base64 image of the chart
  for (const block of response.content) {
    if (block.type === "code_execution_result" && block.output.type === "image") {
      console.log("Chart image:", block.output.data.slice(0, 50) + "...");
    }
  }
  return response;
}

async function transformation() {
  const response = await client.messages.create({
    model: "claude-sonnet-4-20250514",
    max_tokens: 4096,
    tools: [{ type: "code_execution_20250522", name: "code_execution" }],
    messages: [
      {
        role: "user",
        content:
          'Convert this JSON to a CSV table and add a "Total" column: ' +
          JSON.stringify([
            { product: "Coffee", price: 15, quantity: 100 },
            { product: "Tea", price: 10, quantity: 200 },
            { product: "Juice", price: 20, quantity: 75 },
          ]),
      },
    ],
  });
  return response;
}

async function textAnalysis() {
  const response = await client.messages.create({
    model: "claude-sonnet-4-20250514",
    max_tokens: 4096,
    tools: [{ type: "code_execution_20250522", name: "code_execution" }],
    messages: [
      {
        role: "user",
        content:
          "Analyze this text and give me: word count, top 10 most frequent words, " +
          "and a chart of sentence length distribution:\n\n" +
          "Artificial intelligence is changing the world. Companies are investing in AI. " +
          "The future depends on artificial intelligence and technology. " +
          "Machine learning is an important part of artificial intelligence.",
      },
    ],
  });
  return response;
}

async function cleaning() {
  const messyData = `
Name,Email,Phone,Date
Ahmed, ahmed@gmail.com , 0501234567, 2024-01-15
sara,SARA@YAHOO.COM, 050-123-4567 , 01/15/2024
MOHAMED, mohamed@hotmail.com,+966501234567,January 15, 2024
`;

  const response = await client.messages.create({
    model: "claude-sonnet-4-20250514",
    max_tokens: 4096,
    tools: [{ type: "code_execution_20250522", name: "code_execution" }],
    messages: [
      {
        role: "user",
        content:
          "Clean this data: " +
          "1. Standardize name format (capitalize first letter) " +
          "2. Clean emails (lowercase, no spaces) " +
          "3. Standardize phone format (+966XXXXXXXXX) " +
          "4. Standardize date format (YYYY-MM-DD)\n\n" +
          messyData,
      },
    ],
  });
  return response;
}

for (const request of [
  standardDeviation,
  loan,
  csv,
  chart,
  transformation,
  textAnalysis,
  cleaning,
]) {
  const response = await request();

  // Using the function
  const processed = processCodeExecutionResponse(response);
  console.log("Text outputs:", processed.text);
  console.log("Number of images:", processed.images.length);
  console.log("Errors:", processed.errors);

  console.log(`json:${JSON.stringify({ name: request.name, response, processed })}`);
}
