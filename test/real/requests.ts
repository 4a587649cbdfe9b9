/**
 * Requests that the product must answer right, as data: what a user sends, a program that is known to be
 * good (scripted models write it), and a check of what came back that does not depend on who answered.
 *
 * A check looks at what a user can see: the last execution, the charts, and the numbers that the program
 * printed or the answer says. It gives null when all is right, else what is not.
 */
export type RequestContent =
  | string
  | (
      | { type: "text"; text: string }
      | {
          type: "document";
          title: string;
          source: { type: "base64"; media_type: string; data: string };
        }
    )[];

export interface RequestCase {
  name: string;
  content: RequestContent;
  wantsChart: boolean;
  /** Python that does what the request asks. */
  program: string;
  /** Looks at the text of the last execution and of the answer together. */
  check(text: string, outcome: Outcome): string | null;
}

export interface Outcome {
  executions: { code: string; text: string; isError: boolean; images: Buffer[] }[];
  answer: string;
}

/** The blocks of an answer in the lesson's rendering, as far as a check needs them. */
export interface AnswerBlock {
  type: string;
  text?: unknown;
  input?: unknown;
  output?: unknown;
  is_error?: unknown;
}

export function toOutcome(content: readonly AnswerBlock[]): Outcome {
  const outcome: Outcome = { executions: [], answer: "" };
  for (const block of content) {
    const last = outcome.executions.at(-1);
    if (block.type === "server_tool_use") {
      const code = String((block.input as { code?: unknown }).code);
      outcome.executions.push({ code, text: "", isError: false, images: [] });
    } else if (block.type === "code_execution_result" && last !== undefined) {
      const output = block.output as { type: string; text?: string; data?: string };
      if (output.type === "text") last.text += `${output.text ?? ""}\n`;
      if (output.type === "image") last.images.push(Buffer.from(output.data ?? "", "base64"));
      last.isError ||= block.is_error === true;
    } else if (block.type === "text" && typeof block.text === "string") {
      outcome.answer += `${block.text}\n`;
    }
  }
  return outcome;
}

/** Null when the answer is right, else the reason why it is not. */
export function judge(request: RequestCase, outcome: Outcome): string | null {
  const last = outcome.executions.at(-1);
  if (last === undefined) return "no code ran";
  if (last.isError)
    return `the last execution failed: ${last.text.trim().split("\n").at(-1) ?? ""}`;
  const images = outcome.executions.flatMap((execution) => execution.images);
  if (request.wantsChart && !images.some(isPng)) return "no chart";
  if (outcome.answer.trim() === "") return "no words";
  return request.check(`${last.text}\n${outcome.answer}`, outcome);
}

/** Signature, a header with a size, and an end: what every decoder asks for first. */
export function isPng(bytes: Buffer): boolean {
  const signature = bytes.subarray(0, 8).toString("hex") === "89504e470d0a1a0a";
  return (
    signature &&
    bytes.subarray(12, 16).toString("latin1") === "IHDR" &&
    bytes.readUInt32BE(16) > 0 &&
    bytes.readUInt32BE(20) > 0 &&
    bytes.subarray(-8, -4).toString("latin1") === "IEND"
  );
}

/** Whether the text has a number within the tolerance of the value; shares may be written as percent. */
export function hasNumber(text: string, value: number, tolerance = 0.006): boolean {
  const plain = text.replaceAll(/(?<=\d),(?=\d{3}(?!\d))/g, "");
  return [...plain.matchAll(/-?\d+(?:\.\d+)?(?:e[-+]?\d+)?/gi)].some(
    ([number]) => Math.abs(Number(number) - value) <= tolerance,
  );
}

function wantNumbers(...wanted: (number | number[])[]): RequestCase["check"] {
  return (text) => {
    for (const choice of wanted) {
      const choices = Array.isArray(choice) ? choice : [choice];
      // Money is often printed without cents.
      const isThere = choices.some((value) =>
        hasNumber(text, value, Math.abs(value) >= 1000 ? 0.51 : 0.006),
      );
      if (!isThere) return `${choices.join(" or ")} is missing`;
    }
    return null;
  };
}

function wantWords(words: readonly string[], then?: RequestCase["check"]): RequestCase["check"] {
  return (text, outcome) => {
    const lower = text.toLowerCase();
    const missing = words.find((word) => !lower.includes(word.toLowerCase()));
    if (missing !== undefined) return `"${missing}" is missing`;
    return then === undefined ? null : then(text, outcome);
  };
}

function csvFile(title: string, text: string): RequestContent & object {
  const data = Buffer.from(text).toString("base64");
  return [{ type: "document", source: { type: "base64", media_type: "text/csv", data }, title }];
}

const INVENTORY = [
  { item: "Bolt M6", stock: 420, reorder: 500, unit_price: 0.12 },
  { item: "Nut M6", stock: 900, reorder: 400, unit_price: 0.08 },
  { item: "Washer", stock: 150, reorder: 300, unit_price: 0.03 },
  { item: "Bracket", stock: 75, reorder: 50, unit_price: 2.4 },
];

const MESSY_DATA = `
Name,Email,Phone,Date
Ahmed, ahmed@gmail.com , 0501234567, 2024-01-15
sara,SARA@YAHOO.COM, 050-123-4567 , 01/15/2024
MOHAMED, mohamed@hotmail.com,+966501234567,January 15, 2024
`;

const PRODUCTS = [
  { product: "Coffee", price: 15, quantity: 100 },
  { product: "Tea", price: 10, quantity: 200 },
  { product: "Juice", price: 20, quantity: 75 },
];

/** A workbook with one sheet: Student, Math, Physics, History; five rows. */
const GRADES_XLSX =
  "UEsDBBQAAAAIAMSLdl1Gx01IlQAAAM0AAAAQAAAAZG9jUHJvcHMvYXBwLnhtbE3PTQvCMAwG4L9SdreZih6kDkQ9ip68zy51" +
  "hbYpbYT67+0EP255ecgboi6JIia2mEXxLuRtMzLHDUDWI/o+y8qhiqHke64x3YGMsRoPpB8eA8OibdeAhTEMOMzit7Dp1C5G" +
  "Z3XPlkJ3sjpRJsPiWDQ6sScfq9wcChDneiU+ixNLOZcrBf+LU8sVU57mym/8ZAW/B7oXUEsDBBQAAAAIAMSLdl2bfjTN6gAA" +
  "AMsBAAARAAAAZG9jUHJvcHMvY29yZS54bWylkU1PwzAMhv/KlHvrpJUGirpchjiBhMQkELco8baK5kOJUbt/T1u2DgQ3jvH7" +
  "+LGtNCZKExI+pRAxUYt5NbjOZ2nihh2JogTI5ohO53Ik/BjuQ3Kaxmc6QNTmXR8QKs7X4JC01aRhEhZxMbKz0ppFGT9SNwus" +
  "AezQoacMohRwZQmTy382zMlCDrldqL7vy76euXEjAa+PD8/z8kXrM2lvkKnGGmkSagpJTRfF09A18K3YnGd/FdCuxgmSThE3" +
  "7JK81Nu73T1TFa/WhRBFVe3Ejay55Ldvk+tH/1Xogm337T+MF4Fq4Ne/qU9QSwMEFAAAAAgAxIt2XZlcnCMQBgAAnCcAABMA" +
  "AAB4bC90aGVtZS90aGVtZTEueG1s7Vpbc9o4FH7vr9B4Z/ZtC8Y2gba0E3Npdtu0mYTtTh+FEViNbHlkkYR/v0c2EMuWDe2S" +
  "TbqbPAQs6fvORUfn6Dh58+4uYuiGiJTyeGDZL9vWu7cv3uBXMiQRQTAZp6/wwAqlTF61WmkAwzh9yRMSw9yCiwhLeBTL1lzg" +
  "WxovI9bqtNvdVoRpbKEYR2RgfV4saEDQVFFab18gtOUfM/gVy1SNZaMBE1dBJrmItPL5bMX82t4+Zc/pOh0ygW4wG1ggf85v" +
  "p+ROWojhVMLEwGpnP1Zrx9HSSICCyX2UBbpJ9qPTFQgyDTs6nVjOdnz2xO2fjMradDRtGuDj8Xg4tsvSi3AcBOBRu57CnfRs" +
  "v6RBCbSjadBk2PbarpGmqo1TT9P3fd/rm2icCo1bT9Nrd93TjonGrdB4Db7xT4fDronGq9B062kmJ/2ua6TpFmhCRuPrehIV" +
  "teVA0yAAWHB21szSA5ZeKfp1lBrZHbvdQVzwWO45iRH+xsUE1mnSGZY0RnKdkAUOADfE0UxQfK9BtorgwpLSXJDWzym1UBoI" +
  "msiB9UeCIcXcr/31l7vJpDN6nX06zmuUf2mrAaftu5vPk/xz6OSfp5PXTULOcLwsCfH7I1thhyduOxNyOhxnQnzP9vaRpSUy" +
  "z+/5CutOPGcfVpawXc/P5J6MciO73fZYffZPR24j16nAsyLXlEYkRZ/ILbrkETi1SQ0yEz8InYaYalAcAqQJMZahhvi0xqwR" +
  "4BN9t74IyN+NiPerb5o9V6FYSdqE+BBGGuKcc+Zz0Wz7B6VG0fZVvNyjl1gVAZcY3zSqNSzF1niVwPGtnDwdExLNlAsGQYaX" +
  "JCYSqTl+TUgT/iul2v6c00DwlC8k+kqRj2mzI6d0Js3oMxrBRq8bdYdo0jx6/gX5nDUKHJEbHQJnG7NGIYRpu/AerySOmq3C" +
  "EStCPmIZNhpytRaBtnGphGBaEsbReE7StBH8Waw1kz5gyOzNkXXO1pEOEZJeN0I+Ys6LkBG/HoY4SprtonFYBP2eXsNJweiC" +
  "y2b9uH6G1TNsLI73R9QXSuQPJqc/6TI0B6OaWQm9hFZqn6qHND6oHjIKBfG5Hj7lengKN5bGvFCugnsB/9HaN8Kr+ILAOX8u" +
  "fc+l77n0PaHStzcjfWfB04tb3kZuW8T7rjHa1zQuKGNXcs3Ix1SvkynYOZ/A7P1oPp7x7frZJISvmlktIxaQS4GzQSS4/IvK" +
  "8CrECehkWyUJy1TTZTeKEp5CG27pU/VKldflr7kouDxb5OmvoXQ+LM/5PF/ntM0LM0O3ckvqtpS+tSY4SvSxzHBOHssMO2c8" +
  "kh22d6AdNfv2XXbkI6UwU5dDuBpCvgNtup3cOjiemJG5CtNSkG/D+enFeBriOdkEuX2YV23n2NHR++fBUbCj7zyWHceI8qIh" +
  "7qGGmM/DQ4d5e1+YZ5XGUDQUbWysJCxGt2C41/EsFOBkYC2gB4OvUQLyUlVgMVvGAyuQonxMjEXocOeXXF/j0ZLj26ZltW6v" +
  "KXcZbSJSOcJpmBNnq8reZbHBVR3PVVvysL5qPbQVTs/+Wa3InwwRThYLEkhjlBemSqLzGVO+5ytJxFU4v0UzthKXGLzj5sdx" +
  "TlO4Ena2DwIyubs5qXplMWem8t8tDAksW4hZEuJNXe3V55ucrnoidvqXd8Fg8v1wyUcP5TvnX/RdQ65+9t3j+m6TO0hMnHnF" +
  "EQF0RQIjlRwGFhcy5FDukpAGEwHNlMlE8AKCZKYcgJj6C73yDLkpFc6tPjl/RSyDhk5e0iUSFIqwDAUhF3Lj7++TaneM1/os" +
  "gW2EVDJk1RfKQ4nBPTNyQ9hUJfOu2iYLhdviVM27Gr4mYEvDem6dLSf/217UPbQXPUbzo5ngHrOHc5t6uMJFrP9Y1h75Mt85" +
  "cNs63gNe5hMsQ6R+wX2KioARq2K+uq9P+SWcO7R78YEgm/zW26T23eAMfNSrWqVkKxE/Swd8H5IGY4xb9DRfjxRiraaxrcba" +
  "MQx5gFjzDKFmON+HRZoaM9WLrDmNCm9B1UDlP9vUDWj2DTQckQVeMZm2NqPkTgo83P7vDbDCxI7h7Yu/AVBLAwQUAAAACADE" +
  "i3Zd2RtnCfYBAAClBQAAGAAAAHhsL3dvcmtzaGVldHMvc2hlZXQxLnhtbHWUb2+bMBDGvwriA9TkH0kqgrQGTZ20blGjbtpL" +
  "JxzBqrGZfSTLt59NUmqQeRX7nnvOvzPOJRep3nUJgMG/igu9CUvE+pEQfSyhovpB1iCMUkhVUTRbdSK6VkDz1lRxMo2imFSU" +
  "iTBN2thOpYlskDMBOxXopqqouj4Bl5dNOAk/Aq/sVGIbIGlS0xPsAd9qYzBb0tXJWQVCMykCBcUm/DJ5zOLW0Wb8YnDRzjqw" +
  "zRykfLebb/kmjCwTcDiiLUHNzxm2wLmtZEj+3ouGn4dap7v+KP+17d/gHaiGreS/WY7lJlyFQQ4FbTi+yssz3HtafCJmFGma" +
  "KHkJlG02TY52YY80iUzYS9qjMnFmTsJ0j00OAhOCBsKGyPFueRqzvFAsPfnbsfxdedXsqD2WbMzyzDRKde1biGmq62zadTYd" +
  "qfGdCepr65ZvH885Xa0ScnZ7cMX1tC9mrrhcd2KPa9ZxzUa4fprH6OOaudUXAy5XjOcDLldcR36uecc1H+H6IaWXa+5WH3K5" +
  "4mo94OqJcz/XouNajHD9aXRT+MAW7p0MvtXWFZeTAVjPufKDxR1YPPZIqf+BxW7bg6O3PXFwm5krrmcDLuL8ve34eqHqxIQO" +
  "OBTGFD0sTVfqNg9uG5R1O+4OElFW7bI0YxSUTTB6ISV2GzuPusmc/gdQSwMEFAAAAAgAxIt2XdIF8UZSAgAARwoAAA0AAAB4" +
  "bC9zdHlsZXMueG1s3VbbitswEP0V4w+ok5iauCR5qCFQaMvC7kNf5VhOBLq4srwk/fpqJOe2m+NS+lab4Jk5OjNnpDHOqncn" +
  "yZ8PnLvkqKTu1+nBue5TlvW7A1es/2A6rj3SGquY867dZ31nOWt6IimZLWazIlNM6HSz0oPaKtcnOzNot05naZJtVq3R19A8" +
  "jQG/limevDK5TismRW1FXMyUkKcYX4TIzkhjE+fVcKJTqP8VF8xHl6SOuZTQxoZoFsuER+8TCykvKhZpDGxWHXOOW731TiSF" +
  "6HtstF9OnVext+w0X3xMbxjh4cvUxjbc3rUbQ5uV5K0jhhX7QzCc6ehRG+eMIqsRbG80i0rOtNHwuXdcymc6rx/tXYFjm8SN" +
  "/9KEPaeOz6ZXNZoxzehQgdt0Mfm/5+3Eq3GfB9+QDv7PwTj+ZHkrjsE/tm8EXGoHJXflL9GERmWdfqcRlDc56kFIJ/ToHUTT" +
  "cP2+O5/fsdoP+V0Bv6rhLRuke7mA6/Rqf+ONGFR5WfVEjY2rrvZXOsp5cZ1TX0zohh95U42u3dfBTLzhy45XYLyFtuECEGRF" +
  "EEAEwlpQBmRFHqz1P/a1xH1FECpcPoaWmLXErMh7CFXhhrUAq/QXaLks87wo4PZW1WMZFdzDoqAfSAgVEgfWomp/u/MTAzAx" +
  "Nn+YDXjKk2MDW54YUdjyxM4TBPaQOGUJBgDWIg48FDhRJALUolEDrDync4YK4Ws+AZUlhGhIwfQWBdqogm5wXvAlyvOyBBCB" +
  "QEaeQ4he2AkIyiAhEMrz+CF98z3Lzt+57PrXcfMbUEsDBBQAAAAIAMSLdl23R+uKwAAAABYCAAALAAAAX3JlbHMvLnJlbHOd" +
  "kktuAjEMQK8SZV9MqcQCMazYsEOIC7iJ56OZxJFjxPT2jdjAIGgRS/+eni2vDzSgdhxz26VsxjDEXNlWNa0AsmspYJ5xolgq" +
  "NUtALaE0kND12BAs5vMlyC3Dbta3THP8SfQKkeu6c7RldwoU9QH4rsOaI0pDWtlxgDNL/83czwrUmp2vrOz8pzXwpszz9SCQ" +
  "okdFcCz0kaRMi3aUrz6e3b6k86VjYrR43+j/89CoFD35v50wpYnS10UJJm+w+QVQSwMEFAAAAAgAxIt2XYfky00zAQAAKQIA" +
  "AA8AAAB4bC93b3JrYm9vay54bWyNkNFOwzAMRX+lygfQboJJTCsvTIxJCBBDe08bd7WWxJXjbrCvJ2kZTOKFJ8fX1sm9XhyJ" +
  "9xXRPvtw1oc5l6oV6eZ5HuoWnA5X1IGPs4bYaYkt73JqGqxhSXXvwEs+LYpZzmC1IPnQYhfUSPsPK3QM2oQWQJwdUU6jV3eL" +
  "s7NXzvLLjgTq9FNSk7JFOIbfhdRmBwxYoUX5LNXwtqAyhx4dnsCUqlBZaOn4SIwn8qLtpmaytlSTcbAFFqz/yJtk811XYVBE" +
  "V28pc6lmRQQ2yEGGjYGvo8kDxOWx64Ue0ArwUgusmPoO/W7AxBj5RY7hFOeaee2gVCvWBkLyELW1Gf1IBF2k4znGAa/NN/LM" +
  "MdCgB/McQSENYqo6njSVgTS9vpncRve9tfdRe/FPpM2PsfNV774AUEsDBBQAAAAIAMSLdl0z6+O6rQAAAPsBAAAaAAAAeGwv" +
  "X3JlbHMvd29ya2Jvb2sueG1sLnJlbHO1kT0OgzAMha8S5QAYqNShAqYurBUXiIL5EYFEsavC7RvBAEgdujBZz5a/92RnLzSK" +
  "eztR1zsS82gmymXH7B4ApDscFUXW4RQmjfWj4iB9C07pQbUIaRzfwR8ZssiOTFEtDv8h2qbpNT6tfo848Q8wfKwfqENkKSrl" +
  "W+Rcwmz2NsFakiiQpSjrXPqyTqSAyxIRLwZpj7Ppk396pT+HXdztV7k1z0e4rSHg9OviC1BLAwQUAAAACADEi3Zdm4ZChBsB" +
  "AADXAwAAEwAAAFtDb250ZW50X1R5cGVzXS54bWytk89OwzAMxl+l6nVqMzhwQOsujCvswAuExF2j5p9ib3Rvj9uySqCxDZVL" +
  "o8b293P8Jau3YwTMOmc9VnlDFB+FQNWAk1iGCJ4jdUhOEv+mnYhStXIH4n65fBAqeAJPBfUa+Xq1gVruLWXPHW+jCb7KE1jM" +
  "s6cxsWdVuYzRGiWJ4+Lg9Q9K8UUouXLIwcZEXHBCnomziCH0K+FU+HqAlIyGbCsTvUjHaaKzAuloAcvLGme6DHVtFOig9o5L" +
  "SowJpMYGgJwtR9HFFTTxkGH83s1uYJC5SOTUbQoR2bUEf+edbOmri8hCkMhcOeSEZO3ZJ4TecQ36VjhP+COkdvAExbDMH/N3" +
  "nyf9Wxp5D6H973vWr6WTxk8NiOE9rz8BUEsBAhQDFAAAAAgAxIt2XUbHTUiVAAAAzQAAABAAAAAAAAAAAAAAAIABAAAAAGRv" +
  "Y1Byb3BzL2FwcC54bWxQSwECFAMUAAAACADEi3Zdm340zeoAAADLAQAAEQAAAAAAAAAAAAAAgAHDAAAAZG9jUHJvcHMvY29y" +
  "ZS54bWxQSwECFAMUAAAACADEi3ZdmVycIxAGAACcJwAAEwAAAAAAAAAAAAAAgAHcAQAAeGwvdGhlbWUvdGhlbWUxLnhtbFBL" +
  "AQIUAxQAAAAIAMSLdl3ZG2cJ9gEAAKUFAAAYAAAAAAAAAAAAAACAgR0IAAB4bC93b3Jrc2hlZXRzL3NoZWV0MS54bWxQSwEC" +
  "FAMUAAAACADEi3Zd0gXxRlICAABHCgAADQAAAAAAAAAAAAAAgAFJCgAAeGwvc3R5bGVzLnhtbFBLAQIUAxQAAAAIAMSLdl23" +
  "R+uKwAAAABYCAAALAAAAAAAAAAAAAACAAcYMAABfcmVscy8ucmVsc1BLAQIUAxQAAAAIAMSLdl2H5MtNMwEAACkCAAAPAAAA" +
  "AAAAAAAAAACAAa8NAAB4bC93b3JrYm9vay54bWxQSwECFAMUAAAACADEi3ZdM+vjuq0AAAD7AQAAGgAAAAAAAAAAAAAAgAEP" +
  "DwAAeGwvX3JlbHMvd29ya2Jvb2sueG1sLnJlbHNQSwECFAMUAAAACADEi3Zdm4ZChBsBAADXAwAAEwAAAAAAAAAAAAAAgAH0" +
  "DwAAW0NvbnRlbnRfVHlwZXNdLnhtbFBLBQYAAAAACQAJAD4CAABAEQAAAAA=";

/** The lesson's requests that need no web search, word for word. */
export const LESSON_REQUESTS: readonly RequestCase[] = [
  {
    name: "standard deviation",
    content: "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42",
    wantsChart: false,
    program:
      "import statistics\nnumbers = [4, 8, 15, 16, 23, 42]\nprint(f'Sample standard deviation: {statistics.stdev(numbers):.4f}')",
    check: wantNumbers([13.4907, 12.3153]),
  },
  {
    name: "loan",
    content:
      "I have a loan of $500,000, at 4.5% annual interest, for 25 years. " +
      "Calculate: the monthly payment, total payments, and total interest",
    wantsChart: false,
    program:
      "principal, rate, months = 500_000, 0.045 / 12, 25 * 12\npayment = principal * rate / (1 - (1 + rate) ** -months)\nprint(f'Monthly payment: {payment:,.2f}')\nprint(f'Total payments: {payment * months:,.2f}')\nprint(f'Total interest: {payment * months - principal:,.2f}')",
    check: wantNumbers(2779.16, [833_748.72, 833_748], [333_748.72, 333_748]),
  },
  {
    name: "employees.csv",
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
    wantsChart: false,
    program:
      "import pandas as pd\nrows = [line.split(',') for line in open('employees.csv').read().splitlines()]\nheader, *rows = rows\nrows = [row if len(row) == len(header) else [field for field in row if field] for row in rows]\ndf = pd.DataFrame(rows, columns=header)\nfor column in ['age', 'salary']:\n    values = pd.to_numeric(df[column])\n    print(f'{column}: mean {values.mean()}, median {values.median()}, highest {values.max()}, lowest {values.min()}')",
    check: wantNumbers(30, 35, 25, 5500, 5000, 7000, 4500),
  },
  {
    name: "sales chart",
    content:
      "Create a chart showing the company's monthly sales: " +
      "January: 50000, February: 62000, March: 45000, " +
      "April: 71000, May: 58000, June: 89000",
    wantsChart: true,
    program:
      "import matplotlib.pyplot as plt\nsales = {'January': 50000, 'February': 62000, 'March': 45000, 'April': 71000, 'May': 58000, 'June': 89000}\nplt.bar(list(sales), list(sales.values()))\nplt.title('Monthly sales')\nplt.show()",
    check: (_text, { executions }) => {
      const code = executions.at(-1)?.code ?? "";
      return wantNumbers(
        50_000,
        62_000,
        45_000,
        71_000,
        58_000,
        89_000,
      )(code.replaceAll("_", ""), {
        executions: [],
        answer: "",
      });
    },
  },
  {
    name: "JSON to CSV",
    content:
      'Convert this JSON to a CSV table and add a "Total" column: ' + JSON.stringify(PRODUCTS),
    wantsChart: false,
    program: `import pandas as pd\ndf = pd.DataFrame(${JSON.stringify(PRODUCTS)})\ndf['Total'] = df['price'] * df['quantity']\nprint(df.to_csv(index=False))`,
    check: wantWords(["product", "total", "coffee", "tea", "juice"], (text) =>
      /coffee,15,100,1500(\.0)?\b/i.test(text) &&
      /tea,10,200,2000(\.0)?\b/i.test(text) &&
      /juice,20,75,1500(\.0)?\b/i.test(text)
        ? null
        : "the CSV rows are not right",
    ),
  },
  {
    name: "text analysis",
    content:
      "Analyze this text and give me: word count, top 10 most frequent words, " +
      "and a chart of sentence length distribution:\n\n" +
      "Artificial intelligence is changing the world. Companies are investing in AI. " +
      "The future depends on artificial intelligence and technology. " +
      "Machine learning is an important part of artificial intelligence.",
    wantsChart: true,
    program:
      "import re\nfrom collections import Counter\nimport matplotlib.pyplot as plt\ntext = 'Artificial intelligence is changing the world. Companies are investing in AI. The future depends on artificial intelligence and technology. Machine learning is an important part of artificial intelligence.'\nwords = re.findall(r'\\w+', text.lower())\nprint('Word count:', len(words))\nfor word, count in Counter(words).most_common(10):\n    print(word, count)\nlengths = [len(sentence.split()) for sentence in re.split(r'[.!?]\\s*', text) if sentence]\nplt.hist(lengths)\nplt.title('Sentence length')\nplt.show()",
    check: wantWords(["artificial", "intelligence"], wantNumbers(28, 3)),
  },
  {
    name: "portfolio",
    content:
      "I have an investment portfolio: " +
      "Stock A: $10,000 at 8% return, " +
      "Stock B: $15,000 at 12% return, " +
      "Bonds: $25,000 at 5% return. " +
      "Calculate: weighted return, value after 5 and 10 years " +
      "(with reinvestment), and create a chart showing " +
      "portfolio growth over 10 years",
    wantsChart: true,
    program:
      "import matplotlib.pyplot as plt\nholdings = [(10_000, 0.08), (15_000, 0.12), (25_000, 0.05)]\ntotal = sum(value for value, _ in holdings)\nweighted = sum(value * rate for value, rate in holdings) / total\nprint(f'Weighted return: {weighted:.2%}')\ngrowth = [total * (1 + weighted) ** year for year in range(11)]\nprint(f'Value after 5 years: ${growth[5]:,.2f}')\nprint(f'Value after 10 years: ${growth[10]:,.2f}')\nplt.plot(range(11), growth, marker='o')\nplt.title('Portfolio growth')\nplt.show()",
    // Each holding may grow by itself, or the whole at the weighted return.
    check: wantNumbers([7.7, 0.077], [72_451.69, 73_035.45], [104_984.95, 108_899.34]),
  },
  {
    name: "messy data",
    content:
      "Clean this data: " +
      "1. Standardize name format (capitalize first letter) " +
      "2. Clean emails (lowercase, no spaces) " +
      "3. Standardize phone format (+966XXXXXXXXX) " +
      "4. Standardize date format (YYYY-MM-DD)\n\n" +
      MESSY_DATA,
    wantsChart: false,
    program:
      "import re\nfrom datetime import datetime\nrows = [('Ahmed', ' ahmed@gmail.com ', ' 0501234567', ' 2024-01-15'), ('sara', 'SARA@YAHOO.COM', ' 050-123-4567 ', ' 01/15/2024'), ('MOHAMED', ' mohamed@hotmail.com', '+966501234567', 'January 15, 2024')]\ndef to_date(text):\n    for pattern in ('%Y-%m-%d', '%m/%d/%Y', '%B %d, %Y'):\n        try:\n            return datetime.strptime(text.strip(), pattern).date().isoformat()\n        except ValueError:\n            pass\nprint('Name,Email,Phone,Date')\nfor name, email, phone, date in rows:\n    digits = re.sub(r'\\D', '', phone)\n    print(name.strip().capitalize(), email.strip().lower(), '+966' + digits[-9:], to_date(date), sep=',')",
    check: wantWords(
      ["Ahmed", "Sara", "Mohamed", "ahmed@gmail.com", "sara@yahoo.com", "mohamed@hotmail.com"],
      (_text, { executions }) => {
        const printed = executions.at(-1)?.text ?? "";
        const phones = printed.match(/\+966501234567(?!\d)/g)?.length ?? 0;
        const dates = printed.match(/2024-01-15/g)?.length ?? 0;
        if (phones < 3) return `${phones} of 3 phone numbers are right`;
        return dates < 3 ? `${dates} of 3 dates are right` : null;
      },
    ),
  },
];

/** Others in the same spirit. */
export const OWN_REQUESTS: readonly RequestCase[] = [
  {
    name: "sum of primes",
    content: "What is the sum of all prime numbers below 1000?",
    wantsChart: false,
    program: "import sympy\nprint(sum(sympy.primerange(1000)))",
    check: wantNumbers(76_127),
  },
  {
    name: "savings plan",
    content:
      "I put $200 into a savings account at the end of every month. It pays 6% interest per year, compounded monthly. How much will I have after 10 years?",
    wantsChart: false,
    program:
      "rate = 0.06 / 12\nprint(f'After 10 years: {200 * ((1 + rate) ** 120 - 1) / rate:,.2f}')",
    check: wantNumbers(32_775.87),
  },
  {
    name: "sales.csv by region",
    content: [
      {
        type: "text",
        text: "Which region in this file made the most revenue (units times price)? Show the revenue of every region.",
      },
      ...csvFile(
        "sales.csv",
        "region,product,units,price\nNorth,Lamp,12,35.5\nSouth,Lamp,7,35.5\nNorth,Desk,3,240\nEast,Chair,15,89.9\nSouth,Desk,5,240\nEast,Lamp,9,35.5\nWest,Chair,4,89.9\n",
      ),
    ],
    wantsChart: false,
    program:
      "import pandas as pd\ndf = pd.read_csv('sales.csv')\nrevenue = (df['units'] * df['price']).groupby(df['region']).sum()\nprint(revenue)\nprint('Most:', revenue.idxmax())",
    check: wantWords(["East"], wantNumbers(1668, 1448.5, 1146, 359.6)),
  },
  {
    name: "exam histogram",
    content:
      "Here are the exam scores of my class: 72, 85, 90, 66, 58, 77, 93, 81, 69, 74, 88, 95, 62, 79, 84. " +
      "Draw a histogram and tell me the mean and the median.",
    wantsChart: true,
    program:
      "import statistics\nimport matplotlib.pyplot as plt\nscores = [72, 85, 90, 66, 58, 77, 93, 81, 69, 74, 88, 95, 62, 79, 84]\nprint('Mean:', statistics.mean(scores))\nprint('Median:', statistics.median(scores))\nplt.hist(scores)\nplt.show()",
    check: wantNumbers(78.2, 79),
  },
  {
    name: "regression",
    content:
      "Hours studied: 1, 2, 3, 4, 5, 6. Points in the test: 52, 55, 61, 70, 74, 80. " +
      "Compute the correlation, fit a straight line, and predict the points for 7 hours.",
    wantsChart: false,
    program:
      "from scipy import stats\nfit = stats.linregress([1, 2, 3, 4, 5, 6], [52, 55, 61, 70, 74, 80])\nprint(f'Correlation: {fit.rvalue:.4f}')\nprint(f'Line: {fit.slope:.4f} x + {fit.intercept:.4f}')\nprint(f'Prediction for 7 hours: {fit.intercept + 7 * fit.slope:.2f}')",
    check: wantNumbers([0.9926, 0.99], [85.93, 85.9]),
  },
  {
    name: "equation and integral",
    content:
      "Solve x^2 - 5x + 6 = 0, and compute the integral of x^2 * exp(-x) from 0 to infinity.",
    wantsChart: false,
    program:
      "import sympy as sp\nx = sp.symbols('x')\nprint('Solutions:', sp.solve(x**2 - 5 * x + 6, x))\nprint('Integral:', sp.integrate(x**2 * sp.exp(-x), (x, 0, sp.oo)))",
    check: (text) =>
      /\b2\b[^\n]*\b3\b|\b3\b[^\n]*\b2\b/.test(text) &&
      /integral[^\n]*\b2(\.0+)?\b|^2(\.0+)?$|1\.99999/im.test(text)
        ? null
        : "the solutions 2 and 3 and the integral 2 are not all there",
  },
  {
    name: "expenses with a pie chart",
    content: [
      {
        type: "text",
        text: "Make a pie chart of my expenses by category, and tell me the total.",
      },
      ...csvFile(
        "expenses.csv",
        "date;category;amount\n2024-01-05;Rent;1200,00\n2024-01-09;Food;310,45\n2024-01-17;Transport;86,20\n2024-02-05;Rent;1200,00\n2024-02-11;Food;287,30\n2024-02-20;Leisure;145,75\n",
      ),
    ],
    wantsChart: true,
    program:
      "import matplotlib.pyplot as plt\nimport pandas as pd\ndf = pd.read_csv('expenses.csv', sep=';', decimal=',')\ntotals = df.groupby('category')['amount'].sum()\nprint(totals)\nprint('Total:', totals.sum())\ntotals.plot.pie(autopct='%1.1f%%')\nplt.show()",
    check: wantNumbers(3229.7),
  },
  {
    name: "inventory",
    content:
      "This is our stock: " +
      JSON.stringify(INVENTORY) +
      " Which items are below their reorder level, and what is the whole stock worth?",
    wantsChart: false,
    program: `stock = ${JSON.stringify(INVENTORY)}\nprint('Below reorder level:', [row['item'] for row in stock if row['stock'] < row['reorder']])\nprint('Worth:', round(sum(row['stock'] * row['unit_price'] for row in stock), 2))`,
    check: wantWords(["Bolt M6", "Washer"], wantNumbers(306.9)),
  },
  {
    name: "days between dates",
    content:
      "How many days are there from March 15, 2023 to November 2, 2024, and which day of the week is the second date?",
    wantsChart: false,
    program:
      "from datetime import date\nend = date(2024, 11, 2)\nprint((end - date(2023, 3, 15)).days, 'days;', end.strftime('%A'))",
    check: wantWords(["Saturday"], wantNumbers(598)),
  },
  {
    name: "grades.xlsx",
    content: [
      {
        type: "text",
        text: "What is the average of each subject in this workbook, and which student has the best overall average?",
      },
      {
        type: "document",
        title: "grades.xlsx",
        source: {
          type: "base64",
          media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
          data: GRADES_XLSX,
        },
      },
    ],
    wantsChart: false,
    program:
      "import pandas as pd\ndf = pd.read_excel('grades.xlsx')\nsubjects = df.drop(columns='Student')\nprint(subjects.mean())\nbest = subjects.mean(axis=1)\nprint('Best:', df.loc[best.idxmax(), 'Student'], round(best.max(), 2))",
    check: wantWords(["Noor"], wantNumbers(80.2, 82.8)),
  },
];
