/** A set of addresses, found in texts or added. The part behind `#` makes no difference. */
export interface KnownUrls {
  has(url: string): boolean;
  add(url: string): void;
  addFrom(text: string): void;
}

const URL_IN_TEXT = /https?:\/\/[^\s<>"'`\\^{}]{1,2000}/giu;
const URLS_MAX = 20_000;

export function createKnownUrls(): KnownUrls {
  const known = new Set<string>();

  function add(url: string): void {
    const key = toKey(url);
    if (key !== null && known.size < URLS_MAX) known.add(key);
  }

  return {
    has(url) {
      const key = toKey(url);
      return key !== null && known.has(key);
    },
    add,
    addFrom(text) {
      for (const [found] of text.matchAll(URL_IN_TEXT)) {
        add(found);
        // A sentence goes on behind an address: its own punctuation and brackets belong to it.
        let shorter = found;
        while (/[.,;:!?)\]*_]$/.test(shorter)) {
          shorter = shorter.slice(0, -1);
          add(shorter);
        }
      }
    },
  };
}

function toKey(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const parsed = new URL(url);
  parsed.hash = "";
  return parsed.href;
}
