/**
 * The words of an HTML page: what a reader sees, tables as rows between bars, no scripts and no styles.
 * Links keep their addresses, so that a model can ask for the next page.
 */
import { compile } from "html-to-text";

import { cleanSnippet } from "./clean-text.ts";

/** More markup than any article has. */
export const HTML_CHARACTERS_MAX = 2_000_000;
const TITLE_CHARACTERS = 200;
const DEPTH_MAX = 300;

export interface HtmlText {
  title: string | null;
  text: string;
}

export function convertHtml(html: string, baseUrl?: string): HtmlText {
  const markup = html.slice(0, HTML_CHARACTERS_MAX);
  const title = /<title[^>]{0,500}>([^<]{1,1000})/i.exec(markup)?.[1] ?? null;
  return {
    title: title === null ? null : cleanSnippet(title, TITLE_CHARACTERS) || null,
    text: toText(markup, baseUrl),
  };
}

function toText(markup: string, baseUrl: string | undefined): string {
  const links = {
    hideLinkHrefIfSameAsText: true,
    ignoreHref: baseUrl === undefined,
    ...(baseUrl !== undefined && { baseUrl }),
    linkBrackets: ["(", ")"],
  };
  const convert = compile({
    wordwrap: false,
    limits: { maxInputLength: HTML_CHARACTERS_MAX, maxDepth: DEPTH_MAX, maxChildNodes: 20_000 },
    formatters: {
      row(element, walk, builder) {
        builder.openBlock({ leadingLineBreaks: 1 });
        builder.addInline("| ");
        walk(element.children, builder);
        builder.closeBlock({ trailingLineBreaks: 1 });
      },
      cell(element, walk, builder) {
        walk(element.children, builder);
        builder.addInline(" | ");
      },
    },
    selectors: [
      { selector: "a", options: links },
      { selector: "img", format: "skip" },
      { selector: "h1", options: { uppercase: false } },
      { selector: "h2", options: { uppercase: false } },
      { selector: "h3", options: { uppercase: false } },
      { selector: "h4", options: { uppercase: false } },
      { selector: "table", format: "block" },
      { selector: "tr", format: "row" },
      { selector: "td", format: "cell" },
      { selector: "th", format: "cell" },
      ...[
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "iframe",
        "object",
        "head",
        "title",
        "nav",
      ].map((selector) => ({ selector, format: "skip" })),
    ],
  });
  return convert(markup);
}
