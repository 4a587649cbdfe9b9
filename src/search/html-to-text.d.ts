/** The part of the library that is used here; it comes without types. */
declare module "html-to-text" {
  interface Element {
    children: unknown[];
  }
  interface Builder {
    addInline(text: string, options?: object): void;
    openBlock(options: { leadingLineBreaks: number }): void;
    closeBlock(options: { trailingLineBreaks: number }): void;
  }
  type Formatter = (
    element: Element,
    walk: (children: unknown[], builder: Builder) => void,
    builder: Builder,
    options: object,
  ) => void;
  export function compile(options: {
    wordwrap: false;
    formatters: Record<string, Formatter>;
    limits: Record<string, number>;
    selectors: { selector: string; format?: string; options?: object }[];
  }): (html: string) => string;
}
